"""Field tables of ``networking.istio.io`` (istio.io/api 1.31, the CRDs' structural part with their bounds).

``span`` is a duration the CRDs demand to be at least 1ms; ``?`` marks protobuf wrapper types, which may be null.
"""

from __future__ import annotations

from typing import Final

TRAFFIC: Final = """
WorkloadSelector
  labels: {selectorvalue(..63)}(..256) keys selectorkey
PolicyTargetReference
  group: group(..253)
  kind!: kind
  name!: text(1..253)
  namespace: nothing
PodSelector
  matchLabels: {selectorvalue(..63)}(..4096) keys selectorkey
PortSelector
  number: uint32
Port
  number!: uint32
  protocol!: text(1..256)
  name!: text(1..256)
  targetPort: uint32
StringMatch
  exact prefix regex: text
  <=1 exact prefix regex
Percent
  value: number
Destination
  host!: text
  subset: text
  port: PortSelector

VirtualServiceSpec
  hosts gateways exportTo: [text]
  http: [HTTPRoute]
  tls: [TLSRoute]
  tcp: [TCPRoute]
HTTPRoute
  name: text
  match: [HTTPMatchRequest]
  route: [HTTPRouteDestination]
  redirect: HTTPRedirect
  directResponse: HTTPDirectResponse
  delegate: Delegate
  rewrite: HTTPRewrite
  timeout: span
  retries: HTTPRetry
  fault: HTTPFaultInjection
  mirror: Destination
  mirrors: [HTTPMirrorPolicy]
  mirrorPercent?: uint32
  mirrorPercentage: Percent
  corsPolicy: CorsPolicy
  headers: Headers
Delegate
  name namespace: text
Headers
  request response: HeaderOperations
HeaderOperations
  set add: {text}
  remove: [text]
TLSRoute
  match!: [TLSMatchAttributes]
  route: [RouteDestination]
TCPRoute
  match: [L4MatchAttributes]
  route: [RouteDestination]
HTTPMatchRequest
  name sourceNamespace statPrefix: text
  uri scheme method authority: StringMatch
  headers withoutHeaders queryParams: {StringMatch}
  port: uint32
  sourceLabels: {text}
  gateways: [text]
  ignoreUriCase: bool
HTTPRouteDestination
  destination!: Destination
  weight: int32
  headers: Headers
RouteDestination
  destination!: Destination
  weight: int32
L4MatchAttributes
  destinationSubnets gateways: [text]
  port: uint32
  sourceSubnet sourceNamespace: text
  sourceLabels: {text}
TLSMatchAttributes
  sniHosts!: [text]
  destinationSubnets gateways: [text]
  port: uint32
  sourceNamespace: text
  sourceLabels: {text}
HTTPRedirect
  uri authority scheme prefixRewrite: text
  port redirectCode: uint32
  derivePort: <FROM_PROTOCOL_DEFAULT FROM_REQUEST_PORT>
  <=1 port derivePort
HTTPDirectResponse
  status!: uint32
  body: HTTPBody
HTTPBody
  string: text
  bytes: bytes
  <=1 string bytes
HTTPRewrite
  uri authority: text
  uriRegexRewrite: RegexRewrite
RegexRewrite
  match rewrite: text
HTTPRetry
  attempts: int32
  perTryTimeout: span
  retryOn: text
  retryRemoteLocalities?: bool
  retryIgnorePreviousHosts?: bool
  backoff: span
HTTPMirrorPolicy
  destination!: Destination
  percentage: Percent
CorsPolicy
  allowOrigin allowMethods allowHeaders exposeHeaders: [text]
  allowOrigins: [StringMatch]
  maxAge: span
  allowCredentials?: bool
  unmatchedPreflights: <UNSPECIFIED FORWARD IGNORE>
HTTPFaultInjection
  delay: Delay
  abort: Abort
Delay
  percent: int32
  fixedDelay exponentialDelay: span
  percentage: Percent
  <=1 fixedDelay exponentialDelay
Abort
  httpStatus: int32
  grpcStatus http2Error: text
  percentage: Percent
  <=1 httpStatus grpcStatus http2Error

DestinationRuleSpec
  host!: text
  trafficPolicy: TrafficPolicy
  subsets: [Subset]
  exportTo: [text]
  workloadSelector: PodSelector
Subset
  name!: text
  labels: {text}
  trafficPolicy: TrafficPolicy
PortTrafficPolicy
  port: PortSelector
  loadBalancer: LoadBalancerSettings
  connectionPool: ConnectionPoolSettings
  outlierDetection: OutlierDetection
  tls: ClientTLSSettings
TrafficPolicy
  loadBalancer: LoadBalancerSettings
  connectionPool: ConnectionPoolSettings
  outlierDetection: OutlierDetection
  tls: ClientTLSSettings
  portLevelSettings: [PortTrafficPolicy](..4096)
  tunnel: TunnelSettings
  proxyProtocol: ProxyProtocol
  retryBudget: RetryBudget
TunnelSettings
  protocol: text
  targetHost!: text
  targetPort!: uint32
ProxyProtocol
  version: <V1 V2>
RetryBudget
  percent?: number(0..100)
  minRetryConcurrency: uint32
LoadBalancerSettings
  simple: <UNSPECIFIED LEAST_CONN RANDOM PASSTHROUGH ROUND_ROBIN LEAST_REQUEST>
  consistentHash: ConsistentHashLB
  localityLbSetting: LocalityLoadBalancerSetting
  zoneAwareLbSetting: ZoneAwareLoadBalancerSetting
  warmupDurationSecs: span
  warmup: WarmupConfiguration
  <=1 simple consistentHash
WarmupConfiguration
  duration!: span
  minimumPercent?: number(0..100)
  aggression?: number(0..)
ConsistentHashLB
  httpHeaderName httpQueryParameterName: text
  httpCookie: HTTPCookie
  useSourceIp: bool
  ringHash: RingHash
  maglev: MagLev
  minimumRingSize: uint64
  <=1 httpHeaderName httpCookie useSourceIp httpQueryParameterName
  <=1 ringHash maglev
HTTPCookie
  name!: text
  path: text
  ttl: duration
  attributes: [CookieAttribute]
CookieAttribute
  name!: text
  value: text
RingHash
  minimumRingSize: uint64
MagLev
  tableSize: uint64
LocalityLoadBalancerSetting
  distribute: [LocalityDistribute]
  failover: [LocalityFailover]
  failoverPriority: [text]
  enabled?: bool
ZoneAwareLoadBalancerSetting
  failover: [LocalityFailover]
  failoverPriority: [text]
  enabled?: bool
LocalityDistribute
  from: text
  to: {uint32}
LocalityFailover
  from to: text
ConnectionPoolSettings
  tcp: TCPSettings
  http: HTTPSettings
TCPSettings
  maxConnections: int32
  connectTimeout maxConnectionDuration: span
  idleTimeout: duration
  tcpKeepalive: TcpKeepalive
TcpKeepalive
  probes: uint32
  time interval: span
HTTPSettings
  http1MaxPendingRequests http2MaxRequests maxRequestsPerConnection maxRetries maxConcurrentStreams: int32
  idleTimeout: span
  h2UpgradePolicy: <DEFAULT DO_NOT_UPGRADE UPGRADE>
  useClientProtocol: bool
  http2KeepAlive: HTTP2KeepAlive
HTTP2KeepAlive
  interval timeout: duration
OutlierDetection
  consecutiveErrors maxEjectionPercent minHealthPercent: int32
  splitExternalLocalOriginErrors: bool
  consecutiveLocalOriginFailures? consecutiveGatewayErrors? consecutive5xxErrors?: uint32
  interval baseEjectionTime: span
ClientTLSSettings
  mode: <DISABLE SIMPLE MUTUAL ISTIO_MUTUAL>
  clientCertificate privateKey caCertificates credentialName sni caCrl: text
  subjectAltNames: [text]
  insecureSkipVerify?: bool
"""

WORKLOADS: Final = """
GatewaySpec
  servers: [Server]
  selector: {text}
Server
  port!: Port
  bind defaultEndpoint name: text
  hosts!: [text]
  tls: ServerTLSSettings
ServerTLSSettings
  httpsRedirect: bool
  mode: <PASSTHROUGH SIMPLE MUTUAL AUTO_PASSTHROUGH ISTIO_MUTUAL OPTIONAL_MUTUAL>
  serverCertificate privateKey caCertificates caCrl credentialName caCertCredentialName: text
  credentialNames: [text](1..2)
  tlsCertificates: [TLSCertificate](1..2)
  subjectAltNames verifyCertificateSpki verifyCertificateHash cipherSuites: [text]
  minProtocolVersion maxProtocolVersion: <TLS_AUTO TLSV1_0 TLSV1_1 TLSV1_2 TLSV1_3>
TLSCertificate
  serverCertificate privateKey caCertificates: text

ServiceEntrySpec
  hosts!: [text](1..256)
  addresses: [text(..64)](..256)
  ports: [ServicePortEntry](..256) unique(name)
  location: <MESH_EXTERNAL MESH_INTERNAL>
  resolution: <NONE STATIC DNS DNS_ROUND_ROBIN DYNAMIC_DNS>
  endpoints: [WorkloadEntrySpec](..4096)
  workloadSelector: WorkloadSelector
  exportTo subjectAltNames: [text]
ServicePortEntry
  number!: port
  name!: text(1..256)
  protocol: text(..256)
  targetPort: port
WorkloadEntrySpec
  address: text(..256)
  ports: {port}(..128) keys portname
  labels: {text}(..256)
  network: text(..2048)
  locality: text(..2048)
  weight: uint32
  serviceAccount: text(..253)

WorkloadGroupSpec
  metadata: WorkloadGroupMetadata
  template!: WorkloadEntrySpec
  probe: ReadinessProbe
WorkloadGroupMetadata
  labels annotations: {text}(..256)
ReadinessProbe
  initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold: int32(0..)
  httpGet: HTTPHealthCheckConfig
  tcpSocket: TCPHealthCheckConfig
  exec: ExecHealthCheckConfig
  grpc: GrpcHealthCheckConfig
  <=1 httpGet tcpSocket exec grpc
HTTPHealthCheckConfig
  path host: text
  scheme: <HTTP HTTPS>
  port!: port
  httpHeaders: [ProbeHeader]
ProbeHeader
  name: probeheader
  value: text
TCPHealthCheckConfig
  host: text
  port!: port
ExecHealthCheckConfig
  command!: [text(1..)]
GrpcHealthCheckConfig
  port: port
  service: text

SidecarSpec
  workloadSelector: WorkloadSelector
  ingress: [IstioIngressListener]
  egress: [IstioEgressListener]
  inboundConnectionPool: ConnectionPoolSettings
  outboundTrafficPolicy: OutboundTrafficPolicy
SidecarPort
  number!: uint32(..65535)
  protocol name: text(..256)
  targetPort: uint32
EgressPort
  number: uint32(..65535)
  protocol name: text(..256)
  targetPort: uint32
IstioIngressListener
  port!: SidecarPort
  bind defaultEndpoint: text
  captureMode: <DEFAULT IPTABLES NONE>
  tls: ServerTLSSettings
  connectionPool: ConnectionPoolSettings
IstioEgressListener
  port: EgressPort
  bind: text
  captureMode: <DEFAULT IPTABLES NONE>
  hosts!: [text]
OutboundTrafficPolicy
  mode: <REGISTRY_ONLY ALLOW_ANY>
  egressProxy: Destination

EnvoyFilterSpec
  workloadSelector: WorkloadSelector
  targetRefs: [PolicyTargetReference](..16)
  configPatches: [EnvoyConfigObjectPatch]
  priority: int32
EnvoyConfigObjectPatch
  applyTo: <INVALID LISTENER FILTER_CHAIN NETWORK_FILTER HTTP_FILTER ROUTE_CONFIGURATION VIRTUAL_HOST HTTP_ROUTE \
CLUSTER EXTENSION_CONFIG BOOTSTRAP LISTENER_FILTER>
  match: EnvoyConfigObjectMatch
  patch: Patch
EnvoyConfigObjectMatch
  context: <ANY SIDECAR_INBOUND SIDECAR_OUTBOUND GATEWAY WAYPOINT>
  proxy: ProxyMatch
  listener: ListenerMatch
  routeConfiguration: RouteConfigurationMatch
  cluster: ClusterMatch
  waypoint: WaypointMatch
  <=1 listener routeConfiguration cluster waypoint
ProxyMatch
  proxyVersion: text
  metadata: {text}
ListenerMatch
  portNumber: uint32
  portName name listenerFilter: text
  filterChain: FilterChainMatch
FilterChainMatch
  name sni transportProtocol applicationProtocols: text
  filter: FilterMatch
  destinationPort: uint32
FilterMatch
  name: text
  subFilter: SubFilterMatch
SubFilterMatch
  name: text
RouteConfigurationMatch
  portNumber: uint32
  portName gateway name: text
  vhost: VirtualHostMatch
VirtualHostMatch
  name domainName: text
  route: RouteMatch
RouteMatch
  name: text
  action: <ANY ROUTE REDIRECT DIRECT_RESPONSE>
ClusterMatch
  portNumber: uint32
  service subset name: text
WaypointMatch
  portNumber: uint32(1..65535)
  filter: FilterMatch
  route: WaypointRouteMatch
WaypointRouteMatch
  name: text
Patch
  operation: <INVALID MERGE ADD REMOVE INSERT_BEFORE INSERT_AFTER INSERT_FIRST REPLACE MERGE_AND_REPLACE_LIST>
  value: object
  filterClass: <UNSPECIFIED AUTHN AUTHZ STATS>

ProxyConfigSpec
  selector: PodSelector
  concurrency?: int32(0..)
  environmentVariables: {text(..2048)}
  image: ProxyImage
ProxyImage
  imageType: text
"""
