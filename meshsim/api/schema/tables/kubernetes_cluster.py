"""Field tables of namespaces, nodes, services, endpoint slices, ingresses and configuration (API 1.33 to 1.37)."""

from __future__ import annotations

from typing import Final

CLUSTER: Final = """
NamespaceSpec
  finalizers: [text]
NodeSpec
  configSource: NodeConfigSource
  externalID podCIDR providerID: text
  podCIDRs: [text]
  podPreemptionPolicy: NodePodPreemptionPolicy
  taints: [Taint]
  unschedulable: bool
ServiceSpec
  allocateLoadBalancerNodePorts publishNotReadyAddresses: bool
  clusterIP externalName loadBalancerClass loadBalancerIP trafficDistribution: text
  clusterIPs externalIPs loadBalancerSourceRanges: [text]
  externalTrafficPolicy internalTrafficPolicy: <Cluster Local>
  healthCheckNodePort: int
  ipFamilies: [<IPv4 IPv6>]
  ipFamilyPolicy: <SingleStack PreferDualStack RequireDualStack>
  ports: [ServicePort]
  selector: {text}
  sessionAffinity: <None ClientIP>
  sessionAffinityConfig: SessionAffinityConfig
  type: <ClusterIP NodePort LoadBalancer ExternalName>
EndpointSlice
  addressType!: <IPv4 IPv6 FQDN>
  endpoints: [Endpoint](..1000)
  ports: [EndpointPort](..20000)
IngressSpec
  defaultBackend: IngressBackend
  ingressClassName: text
  rules: [IngressRule]
  tls: [IngressTLS]
IngressClassSpec
  controller: text
  parameters: IngressClassParametersReference
ServiceAccount
  automountServiceAccountToken: bool
  imagePullSecrets: [LocalObjectReference]
  secrets: [ObjectReference]
ConfigMap
  binaryData: {bytes}
  data: {text}
  immutable: bool
Secret
  data: {bytes}
  immutable: bool
  stringData: {text}
  type: text
NodeConfigSource
  configMap: ConfigMapNodeConfigSource
NodePodPreemptionPolicy
  disableResizePreemption: [text]
Taint
  effect!: <NoSchedule PreferNoSchedule NoExecute>
  key! value: text
  timeAdded: time
ServicePort
  appProtocol name: text
  nodePort: int(0..65535)
  port!: port
  protocol: <TCP UDP SCTP>
  targetPort: intstr
SessionAffinityConfig
  clientIP: ClientIPConfig
Endpoint
  addresses!: [text](1..100)
  conditions: EndpointConditions
  deprecatedTopology: {text}
  hints: EndpointHints
  hostname nodeName zone: text
  targetRef: ObjectReference
EndpointPort
  appProtocol name: text
  port: int(0..65535)
  protocol: <TCP UDP SCTP>
IngressBackend
  resource: TypedLocalObjectReference
  service: IngressServiceBackend
IngressRule
  host: text
  http: HTTPIngressRuleValue
IngressTLS
  hosts: [text]
  secretName: text
IngressClassParametersReference
  apiGroup kind! name! namespace: text
  scope: <Cluster Namespace>
ConfigMapNodeConfigSource
  kubeletConfigKey! name! namespace! resourceVersion uid: text
ClientIPConfig
  timeoutSeconds: int
EndpointConditions
  ready serving terminating: bool
EndpointHints
  forNodes: [ForNode]
  forZones: [ForZone]
IngressServiceBackend
  name!: text
  port: ServiceBackendPort
HTTPIngressRuleValue
  paths!: [HTTPIngressPath]
ForNode
  name!: text
ForZone
  name!: text
ServiceBackendPort
  name: text
  number: int
HTTPIngressPath
  backend!: IngressBackend
  path: text
  pathType!: <Exact Prefix ImplementationSpecific>
"""
