"""Field tables of ``gateway.networking.k8s.io`` (Gateway API v1.6, with the CRDs' defaults).

The defaults are part of the meaning: a match without a path is a prefix match on ``/``, a back end without a weight has
weight 1. Fields of the experimental channel are known too.
"""

from __future__ import annotations

from typing import Final

GATEWAY_API: Final = """
ParentReference
  group: group(..253) = "gateway.networking.k8s.io"
  kind: kind = "Gateway"
  namespace: dnslabel
  name!: text(1..253)
  sectionName: dnsname
  port: port
LocalObjectReference
  group!: group
  kind!: kind
  name!: text(1..253)
LocalParametersReference: LocalObjectReference
ParametersReference: LocalObjectReference
  namespace: dnslabel
SecretObjectReference
  group: group = ""
  kind: kind = "Secret"
  name!: text(1..253)
  namespace: dnslabel
ObjectReference
  group!: group
  kind!: kind
  name!: text(1..253)
  namespace: dnslabel
BackendObjectReference
  group: group = ""
  kind: kind = "Service"
  name!: text(1..253)
  namespace: dnslabel
  port: port
BackendRef: BackendObjectReference
  weight: int32(0..1000000) = 1
LabelSelector
  matchExpressions: [LabelSelectorRequirement]
  matchLabels: {text}
LabelSelectorRequirement
  key!: text
  operator!: <In NotIn Exists DoesNotExist>
  values: [text]
SessionPersistence
  sessionName: text(..128)
  absoluteTimeout idleTimeout: gwduration
  type: <Cookie Header> = "Cookie"
  cookieConfig: CookieConfig
CookieConfig
  lifetimeType: <Permanent Session> = "Session"
HeaderFilter
  set add: [NameAndValue](..16) unique(name)
  remove: [text](..16) unique()
NameAndValue
  name!: headername
  value!: text(1..4096)
RequestMirror
  backendRef!: BackendObjectReference
  percent: int32(0..100)
  fraction: Fraction
  <=1 percent fraction
Fraction
  numerator!: int32(0..)
  denominator: int32(1..) = 100

GatewayClassSpec
  controllerName!: text(1..253)
  parametersRef: ParametersReference
  description: text(..64)
GatewaySpec
  gatewayClassName!: text(1..253)
  listeners!: [Listener](..64) unique(name)
  addresses: [GatewaySpecAddress](..16)
  infrastructure: GatewayInfrastructure
  allowedListeners: AllowedListeners
  tls: GatewayTLSConfig
  defaultScope: <All None>
GatewaySpecAddress
  type: text(1..253) = "IPAddress"
  value: text(..253)
GatewayInfrastructure
  labels annotations: {text(..4096)}(..8)
  parametersRef: LocalParametersReference
AllowedListeners
  namespaces: ListenerNamespaces = {"from": "None"}
ListenerNamespaces
  from: <All Selector Same None> = "None"
  selector: LabelSelector
GatewayTLSConfig
  backend: GatewayBackendTLS
  frontend: FrontendTLSConfig
GatewayBackendTLS
  clientCertificateRef: SecretObjectReference
FrontendTLSConfig
  default!: TLSConfig
  perPort: [TLSPortConfig](..64) unique(port)
TLSPortConfig
  port!: port
  tls!: TLSConfig
TLSConfig
  validation: FrontendTLSValidation
FrontendTLSValidation
  caCertificateRefs!: [ObjectReference](1..8)
  mode: <AllowValidOnly AllowInsecureFallback> = "AllowValidOnly"
Listener
  name!: dnsname
  hostname: hostname
  port!: port
  protocol!: text(1..255)
  tls: ListenerTLSConfig
  allowedRoutes: AllowedRoutes = {"namespaces": {"from": "Same"}}
ListenerTLSConfig
  mode: <Terminate Passthrough> = "Terminate"
  certificateRefs: [SecretObjectReference](..64)
  frontendValidation: FrontendTLSValidation
  options: {text(..4096)}(..16)
AllowedRoutes
  namespaces: RouteNamespaces = {"from": "Same"}
  kinds: [RouteGroupKind](..8)
RouteNamespaces
  from: <All Selector Same None> = "Same"
  selector: LabelSelector
RouteGroupKind
  group: group = "gateway.networking.k8s.io"
  kind!: kind

CommonRouteSpec
  parentRefs: [ParentReference](..32)
  useDefaultGateways: <All None>
HTTPRouteSpec: CommonRouteSpec
  hostnames: [hostname](..16)
  rules: [HTTPRouteRule](1..16) = [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}]}]
HTTPRouteRule
  name: dnsname
  matches: [HTTPRouteMatch](..64) = [{"path": {"type": "PathPrefix", "value": "/"}}]
  filters: [HTTPRouteFilter](..16)
  backendRefs: [HTTPBackendRef](..16)
  timeouts: HTTPRouteTimeouts
  retry: HTTPRouteRetry
  sessionPersistence: SessionPersistence
HTTPRouteTimeouts
  request backendRequest: gwduration
HTTPRouteRetry
  codes: [int32(400..599)]
  attempts: int32
  backoff: gwduration
HTTPRouteMatch
  path: HTTPPathMatch = {"type": "PathPrefix", "value": "/"}
  headers: [HTTPHeaderMatch](..16) unique(name)
  queryParams: [HTTPQueryParamMatch](..16) unique(name)
  method: <GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH>
HTTPPathMatch
  type: <Exact PathPrefix RegularExpression> = "PathPrefix"
  value: text(..1024) = "/"
HTTPHeaderMatch
  type: <Exact RegularExpression> = "Exact"
  name!: headername
  value!: text(1..4096)
HTTPQueryParamMatch
  type: <Exact RegularExpression> = "Exact"
  name!: headername
  value!: text(1..1024)
HTTPBackendRef: BackendRef
  filters: [HTTPRouteFilter](..16)
HTTPRouteFilter
  type!: <RequestHeaderModifier ResponseHeaderModifier RequestMirror RequestRedirect URLRewrite ExtensionRef CORS \
ExternalAuth>
  requestHeaderModifier responseHeaderModifier: HeaderFilter
  requestMirror: RequestMirror
  requestRedirect: HTTPRequestRedirect
  urlRewrite: HTTPURLRewrite
  extensionRef: LocalObjectReference
  cors: HTTPCORSFilter
  externalAuth: HTTPExternalAuthFilter
HTTPRequestRedirect
  scheme: <http https>
  hostname: dnsname
  path: HTTPPathModifier
  port: port
  statusCode: int32(300..399) = 302
HTTPURLRewrite
  hostname: dnsname
  path: HTTPPathModifier
HTTPPathModifier
  type!: <ReplaceFullPath ReplacePrefixMatch>
  replaceFullPath replacePrefixMatch: text(..1024)
HTTPCORSFilter
  allowOrigins: [text(1..253)](..64) unique()
  allowCredentials: bool
  allowMethods: [<GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH *>](..9) unique()
  allowHeaders exposeHeaders: [text(1..256)](..64) unique()
  maxAge: int32(1..) = 5
HTTPExternalAuthFilter
  protocol!: <HTTP GRPC>
  backendRef!: BackendObjectReference
  grpc: GRPCAuthConfig
  http: HTTPAuthConfig
  forwardBody: ForwardBodyConfig
GRPCAuthConfig
  allowedHeaders: [text](..64) unique()
HTTPAuthConfig
  path: text
  allowedHeaders allowedResponseHeaders: [text](..64) unique()
ForwardBodyConfig
  maxSize: int32(0..)

GRPCRouteSpec: CommonRouteSpec
  hostnames: [hostname](..16)
  rules: [GRPCRouteRule](..16)
GRPCRouteRule
  name: dnsname
  matches: [GRPCRouteMatch](..64)
  filters: [GRPCRouteFilter](..16)
  backendRefs: [GRPCBackendRef](..16)
  sessionPersistence: SessionPersistence
GRPCRouteMatch
  method: GRPCMethodMatch
  headers: [GRPCHeaderMatch](..16) unique(name)
GRPCMethodMatch
  type: <Exact RegularExpression> = "Exact"
  service method: text(..1024)
  >=1 service method
GRPCHeaderMatch
  type: <Exact RegularExpression> = "Exact"
  name!: headername
  value!: text(1..4096)
GRPCBackendRef: BackendRef
  filters: [GRPCRouteFilter](..16)
GRPCRouteFilter
  type!: <ResponseHeaderModifier RequestHeaderModifier RequestMirror ExtensionRef>
  requestHeaderModifier responseHeaderModifier: HeaderFilter
  requestMirror: RequestMirror
  extensionRef: LocalObjectReference

TCPRouteSpec: CommonRouteSpec
  rules!: [TCPRouteRule](1..16)
TCPRouteRule
  name: dnsname
  backendRefs: [BackendRef](..16)
TLSRouteSpec: CommonRouteSpec
  hostnames: [hostname](..16)
  rules!: [TLSRouteRule](1..16)
TLSRouteRule
  name: dnsname
  backendRefs: [BackendRef](..16)
BackendTLSPolicySpec
  targetRefs!: [PolicyTargetReference](1..16)
  validation!: BackendTLSPolicyValidation
  options: {text(..4096)}(..16)
PolicyTargetReference: LocalObjectReference
  sectionName: dnsname
BackendTLSPolicyValidation
  caCertificateRefs: [LocalObjectReference](..8)
  wellKnownCACertificates: text(1..253)
  hostname!: dnsname
  subjectAltNames: [SubjectAltName](..5)
SubjectAltName
  type!: <Hostname URI>
  hostname: hostname
  uri: text(1..253)
ListenerSetSpec
  parentRef!: ListenerSetParent
  listeners!: [Listener](1..64) unique(name)
ListenerSetParent
  group: group = "gateway.networking.k8s.io"
  kind: kind = "Gateway"
  name!: text(1..253)
  namespace: dnslabel
ReferenceGrantSpec
  from!: [ReferenceGrantFrom](1..16)
  to!: [ReferenceGrantTo](1..16)
ReferenceGrantFrom
  group!: group
  kind!: kind
  namespace!: dnslabel
ReferenceGrantTo
  group!: group
  kind!: kind
  name: text(1..253)
"""
