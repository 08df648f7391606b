"""Field tables of pods and containers (core/v1, API 1.33 to 1.37)."""

from __future__ import annotations

from typing import Final

PODS: Final = """
PodSpec
  activeDeadlineSeconds priority: int
  affinity: Affinity
  automountServiceAccountToken enableServiceLinks hostIPC hostNetwork hostPID hostUsers setHostnameAsFQDN: bool
  shareProcessNamespace: bool
  containers!: [Container](1..)
  dnsConfig: PodDNSConfig
  dnsPolicy: <ClusterFirst ClusterFirstWithHostNet Default None>
  ephemeralContainers: [EphemeralContainer]
  evictionResponders: [EvictionResponder]
  hostAliases: [HostAlias]
  hostname hostnameOverride nodeName priorityClassName runtimeClassName schedulerName serviceAccount: text
  serviceAccountName subdomain: text
  imagePullSecrets: [LocalObjectReference]
  initContainers: [Container]
  nodeSelector: {text}
  os: PodOS
  overhead: {quantity}
  preemptionPolicy: <PreemptLowerPriority Never>
  readinessGates: [PodReadinessGate]
  resourceClaims: [PodResourceClaim]
  resources: ResourceRequirements
  restartPolicy: <Always OnFailure Never>
  schedulingGates: [PodSchedulingGate]
  schedulingGroup: PodSchedulingGroup
  securityContext: PodSecurityContext
  terminationGracePeriodSeconds: int(0..)
  tolerations: [Toleration]
  topologySpreadConstraints: [TopologySpreadConstraint]
  volumes: [Volume]
Affinity
  nodeAffinity: NodeAffinity
  podAffinity: PodAffinity
  podAntiAffinity: PodAntiAffinity
Container
  args command: [text]
  env: [EnvVar]
  envFrom: [EnvFromSource]
  image name! terminationMessagePath workingDir: text
  imagePullPolicy: <Always IfNotPresent Never>
  lifecycle: Lifecycle
  livenessProbe readinessProbe startupProbe: Probe
  ports: [ContainerPort]
  resizePolicy: [ContainerResizePolicy]
  resources: ResourceRequirements
  restartPolicy: <Always OnFailure Never>
  restartPolicyRules: [ContainerRestartRule]
  securityContext: SecurityContext
  stdin stdinOnce tty: bool
  terminationMessagePolicy: <File FallbackToLogsOnError>
  volumeDevices: [VolumeDevice]
  volumeMounts: [VolumeMount]
PodDNSConfig
  nameservers searches: [text]
  options: [PodDNSConfigOption]
EphemeralContainer: Container
  targetContainerName: text
EvictionResponder
  name!: text
  priority!: int
HostAlias
  hostnames: [text]
  ip!: text
PodOS
  name!: <linux windows>
PodReadinessGate
  conditionType!: text
PodResourceClaim
  name! resourceClaimName resourceClaimTemplateName: text
ResourceRequirements
  claims: [ResourceClaim]
  limits requests: {quantity}
PodSchedulingGate
  name!: text
PodSchedulingGroup
  podGroupName: text
PodSecurityContext
  appArmorProfile: AppArmorProfile
  fsGroup runAsGroup runAsUser: int
  fsGroupChangePolicy: <OnRootMismatch Always>
  runAsNonRoot: bool
  seLinuxChangePolicy: <MountOption Recursive>
  seLinuxOptions: SELinuxOptions
  seccompProfile: SeccompProfile
  supplementalGroups: [int]
  supplementalGroupsPolicy: <Merge Strict>
  sysctls: [Sysctl]
  windowsOptions: WindowsSecurityContextOptions
Toleration
  effect: <"" NoSchedule PreferNoSchedule NoExecute>
  key value: text
  operator: <"" Exists Equal Lt Gt>
  tolerationSeconds: int
TopologySpreadConstraint
  labelSelector: LabelSelector
  matchLabelKeys: [text]
  maxSkew! minDomains: int
  nodeAffinityPolicy nodeTaintsPolicy: <Honor Ignore>
  topologyKey!: text
  whenUnsatisfiable!: <DoNotSchedule ScheduleAnyway>
NodeAffinity
  preferredDuringSchedulingIgnoredDuringExecution: [PreferredSchedulingTerm]
  requiredDuringSchedulingIgnoredDuringExecution: NodeSelector
PodAffinity
  preferredDuringSchedulingIgnoredDuringExecution: [WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution: [PodAffinityTerm]
PodAntiAffinity
  preferredDuringSchedulingIgnoredDuringExecution: [WeightedPodAffinityTerm]
  requiredDuringSchedulingIgnoredDuringExecution: [PodAffinityTerm]
EnvVar
  name! value: text
  valueFrom: EnvVarSource
EnvFromSource
  configMapRef: ConfigMapEnvSource
  prefix: text
  secretRef: SecretEnvSource
Lifecycle
  postStart preStop: LifecycleHandler
  stopSignal: text
Probe
  exec: ExecAction
  failureThreshold initialDelaySeconds periodSeconds successThreshold timeoutSeconds: int(0..)
  grpc: GRPCAction
  httpGet: HTTPGetAction
  tcpSocket: TCPSocketAction
  terminationGracePeriodSeconds: int
ContainerPort
  containerPort!: port
  hostIP name: text
  hostPort: int(0..65535)
  protocol: <TCP UDP SCTP>
ContainerResizePolicy
  resourceName! restartPolicy!: text
ContainerRestartRule
  action!: text
  exitCodes: ContainerRestartRuleOnExitCodes
SecurityContext
  allowPrivilegeEscalation privileged readOnlyRootFilesystem runAsNonRoot: bool
  appArmorProfile: AppArmorProfile
  capabilities: Capabilities
  procMount: <Default Unmasked>
  runAsGroup runAsUser: int
  seLinuxOptions: SELinuxOptions
  seccompProfile: SeccompProfile
  windowsOptions: WindowsSecurityContextOptions
VolumeDevice
  devicePath! name!: text
VolumeMount
  bindMountOptions: [text]
  mountPath! name! recursiveReadOnly subPath subPathExpr: text
  mountPropagation: <None HostToContainer Bidirectional>
  readOnly: bool
PodDNSConfigOption
  name value: text
ResourceClaim
  name! request: text
AppArmorProfile
  localhostProfile: text
  type!: <Unconfined RuntimeDefault Localhost>
SELinuxOptions
  level role type user: text
SeccompProfile
  localhostProfile: text
  type!: <Unconfined RuntimeDefault Localhost>
Sysctl
  name! value!: text
WindowsSecurityContextOptions
  gmsaCredentialSpec gmsaCredentialSpecName runAsUserName: text
  hostProcess: bool
PreferredSchedulingTerm
  preference!: NodeSelectorTerm
  weight!: int
NodeSelector
  nodeSelectorTerms!: [NodeSelectorTerm]
WeightedPodAffinityTerm
  podAffinityTerm!: PodAffinityTerm
  weight!: int
PodAffinityTerm
  labelSelector namespaceSelector: LabelSelector
  matchLabelKeys mismatchLabelKeys namespaces: [text]
  topologyKey!: text
EnvVarSource
  configMapKeyRef: ConfigMapKeySelector
  fieldRef: ObjectFieldSelector
  fileKeyRef: FileKeySelector
  resourceFieldRef: ResourceFieldSelector
  secretKeyRef: SecretKeySelector
ConfigMapEnvSource
  name: text
  optional: bool
SecretEnvSource
  name: text
  optional: bool
LifecycleHandler
  exec: ExecAction
  httpGet: HTTPGetAction
  sleep: SleepAction
  tcpSocket: TCPSocketAction
ExecAction
  command: [text]
GRPCAction
  mode service: text
  port!: port
HTTPGetAction
  host path protocol: text
  httpHeaders: [HTTPHeader]
  port!: intstr
  scheme: <HTTP HTTPS>
TCPSocketAction
  host: text
  port!: intstr
ContainerRestartRuleOnExitCodes
  operator!: text
  values: [int]
Capabilities
  add drop: [text]
NodeSelectorTerm
  matchExpressions matchFields: [NodeSelectorRequirement]
ConfigMapKeySelector
  key! name: text
  optional: bool
FileKeySelector
  key! path! volumeName!: text
  optional: bool
SecretKeySelector
  key! name: text
  optional: bool
SleepAction
  seconds!: int
HTTPHeader
  name! value!: text
NodeSelectorRequirement
  key!: text
  operator!: <In NotIn Exists DoesNotExist Gt Lt>
  values: [text]
"""
