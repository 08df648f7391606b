"""Field tables of what makes pods: apps/v1, autoscaling/v2, policy/v1 (API 1.33 to 1.37)."""

from __future__ import annotations

from typing import Final

WORKLOADS: Final = """
PodTemplateSpec
  metadata: ObjectMeta
  spec: PodSpec
DeploymentSpec
  minReadySeconds progressDeadlineSeconds revisionHistoryLimit: int
  paused: bool
  replicas: int(0..)
  selector!: LabelSelector
  strategy: DeploymentStrategy
  template!: PodTemplateSpec
StatefulSetSpec
  minReadySeconds revisionHistoryLimit: int
  ordinals: StatefulSetOrdinals
  persistentVolumeClaimRetentionPolicy: StatefulSetPersistentVolumeClaimRetentionPolicy
  podManagementPolicy: <OrderedReady Parallel>
  replicas: int(0..)
  selector!: LabelSelector
  serviceName: text
  template!: PodTemplateSpec
  updateStrategy: StatefulSetUpdateStrategy
  volumeClaimTemplates: [PersistentVolumeClaim]
ReplicaSetSpec
  minReadySeconds: int
  replicas: int(0..)
  selector!: LabelSelector
  template: PodTemplateSpec
DaemonSetSpec
  minReadySeconds revisionHistoryLimit: int
  selector!: LabelSelector
  template!: PodTemplateSpec
  updateStrategy: DaemonSetUpdateStrategy
HorizontalPodAutoscalerSpec
  behavior: HorizontalPodAutoscalerBehavior
  maxReplicas!: int(1..)
  metrics: [MetricSpec]
  minReplicas: int(0..)
  scaleTargetRef!: CrossVersionObjectReference
PodDisruptionBudgetSpec
  maxUnavailable minAvailable: intstr
  selector: LabelSelector
  unhealthyPodEvictionPolicy: <IfHealthyBudget AlwaysAllow>
DeploymentStrategy
  rollingUpdate: RollingUpdateDeployment
  type: <RollingUpdate Recreate>
StatefulSetOrdinals
  start: int
StatefulSetPersistentVolumeClaimRetentionPolicy
  whenDeleted whenScaled: text
StatefulSetUpdateStrategy
  rollingUpdate: RollingUpdateStatefulSetStrategy
  type: <RollingUpdate OnDelete>
DaemonSetUpdateStrategy
  rollingUpdate: RollingUpdateDaemonSet
  type: <RollingUpdate OnDelete>
HorizontalPodAutoscalerBehavior
  scaleDown scaleUp: HPAScalingRules
MetricSpec
  containerResource: ContainerResourceMetricSource
  external: ExternalMetricSource
  object: ObjectMetricSource
  pods: PodsMetricSource
  resource: ResourceMetricSource
  type!: <Object Pods Resource ContainerResource External>
CrossVersionObjectReference
  apiVersion kind! name!: text
RollingUpdateDeployment
  maxSurge maxUnavailable: intstr
RollingUpdateStatefulSetStrategy
  maxUnavailable: intstr
  partition: int
RollingUpdateDaemonSet
  maxSurge maxUnavailable: intstr
HPAScalingRules
  policies: [HPAScalingPolicy]
  selectPolicy: <Max Min Disabled>
  stabilizationWindowSeconds: int
  tolerance: quantity
ContainerResourceMetricSource
  container! name!: text
  target!: MetricTarget
ExternalMetricSource
  metric!: MetricIdentifier
  target!: MetricTarget
ObjectMetricSource
  describedObject!: CrossVersionObjectReference
  metric!: MetricIdentifier
  target!: MetricTarget
PodsMetricSource
  metric!: MetricIdentifier
  target!: MetricTarget
ResourceMetricSource
  name!: text
  target!: MetricTarget
HPAScalingPolicy
  periodSeconds! value!: int
  type!: <Pods Percent>
MetricTarget
  averageUtilization: int
  averageValue value: quantity
  type!: <Utilization Value AverageValue>
MetricIdentifier
  name!: text
  selector: LabelSelector
"""
