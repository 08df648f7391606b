"""Field tables of ``security.istio.io``, ``telemetry.istio.io`` and ``extensions.istio.io`` (istio.io/api 1.31)."""

from __future__ import annotations

from typing import Final

SECURITY: Final = """
PeerAuthenticationSpec
  selector: PodSelector
  mtls: MutualTLS
  portLevelMtls: {MutualTLS}(1..) keys porttext
MutualTLS
  mode: <UNSET DISABLE PERMISSIVE STRICT>

RequestAuthenticationSpec
  selector: PodSelector
  targetRef: PolicyTargetReference
  targetRefs: [PolicyTargetReference](..16)
  jwtRules: [JWTRule](..4096)
JWTRule
  issuer: text(1..)
  audiences fromParams fromCookies: [text(1..)]
  jwksUri: text(1..2048)
  jwks outputPayloadToHeader: text
  fromHeaders: [JWTHeader]
  forwardOriginalToken: bool
  outputClaimToHeaders: [ClaimToHeader]
  timeout: span
  spaceDelimitedClaims: [text(1..)](..64)
JWTHeader
  name!: text(1..)
  prefix: text
ClaimToHeader
  header!: claimheader
  claim!: text(1..)

AuthorizationPolicySpec
  selector: PodSelector
  targetRef: PolicyTargetReference
  targetRefs: [PolicyTargetReference](..16)
  rules: [Rule](..512)
  action: <ALLOW DENY AUDIT CUSTOM>
  provider: AuthorizationProvider
AuthorizationProvider
  name: text
Rule
  from: [RuleFrom](..512)
  to: [RuleTo]
  when: [Condition]
RuleFrom
  source: Source
RuleTo
  operation: Operation
Source
  principals notPrincipals requestPrincipals notRequestPrincipals namespaces notNamespaces: [text]
  ipBlocks notIpBlocks remoteIpBlocks notRemoteIpBlocks trustDomains notTrustDomains: [text]
  serviceAccounts notServiceAccounts: [text(..320)](..16)
Operation
  hosts notHosts ports notPorts methods notMethods paths notPaths: [text]
Condition
  key!: text
  values notValues: [text]
"""

TELEMETRY: Final = """
TelemetrySpec
  selector: PodSelector
  targetRef: PolicyTargetReference
  targetRefs: [PolicyTargetReference](..16)
  tracing: [Tracing]
  metrics: [Metrics]
  accessLogging: [AccessLogging]
ProviderRef
  name!: text(1..)
TracingMode
  mode: <CLIENT_AND_SERVER CLIENT SERVER>
Tracing
  match: TracingMode
  providers: [ProviderRef]
  randomSamplingPercentage?: number(0..100)
  disableSpanReporting? useRequestIdForTraceSampling? enableIstioTags?: bool
  customTags: {CustomTag}
CustomTag
  literal: LiteralTag
  environment: EnvironmentTag
  header: HeaderTag
  formatter: FormatterTag
  <=1 literal environment header formatter
LiteralTag
  value!: text(1..)
EnvironmentTag
  name!: text(1..)
  defaultValue: text
HeaderTag
  name!: text(1..)
  defaultValue: text
FormatterTag
  value!: text(1..)
Metrics
  providers: [ProviderRef]
  overrides: [MetricsOverrides]
  reportingInterval: span
MetricSelector
  metric: <ALL_METRICS REQUEST_COUNT REQUEST_DURATION REQUEST_SIZE RESPONSE_SIZE TCP_OPENED_CONNECTIONS \
TCP_CLOSED_CONNECTIONS TCP_SENT_BYTES TCP_RECEIVED_BYTES GRPC_REQUEST_MESSAGES GRPC_RESPONSE_MESSAGES>
  customMetric: text(1..)
  mode: <CLIENT_AND_SERVER CLIENT SERVER>
  <=1 metric customMetric
MetricsOverrides
  match: MetricSelector
  disabled?: bool
  tagOverrides: {TagOverride}
TagOverride
  operation: <UPSERT REMOVE>
  value: text
AccessLogging
  match: TracingMode
  providers: [ProviderRef]
  disabled?: bool
  filter: AccessLogFilter
AccessLogFilter
  expression: text
"""

EXTENSIONS: Final = """
WasmPluginSpec
  selector: PodSelector
  targetRef: PolicyTargetReference
  targetRefs: [PolicyTargetReference](..16)
  url!: text(1..)
  sha256: sha256
  imagePullPolicy: <UNSPECIFIED_POLICY IfNotPresent Always>
  imagePullSecret: text(1..253)
  verificationKey: text
  pluginConfig: object
  pluginName: text(1..256)
  phase: <UNSPECIFIED_PHASE AUTHN AUTHZ STATS>
  priority?: int32
  failStrategy: <FAIL_CLOSE FAIL_OPEN FAIL_RELOAD>
  vmConfig: VmConfig
  match: [TrafficSelector]
  type: <UNSPECIFIED_PLUGIN_TYPE HTTP NETWORK>
VmConfig
  env: [EnvVar](..256) unique(name)
EnvVar
  name!: text(1..256)
  valueFrom: <INLINE HOST>
  value: text(..2048)
TrafficSelector
  mode: <UNDEFINED CLIENT SERVER CLIENT_AND_SERVER>
  ports: [SelectedPort] unique(number)
SelectedPort
  number!: uint32(1..65535)

TrafficExtensionSpec
  selector: PodSelector
  targetRefs: [PolicyTargetReference](..16)
  match: [TrafficSelector]
  phase: <UNSPECIFIED_PHASE UNSPECIFIED AUTHN AUTHZ STATS>
  priority?: int32
  wasm: WasmExtension
  lua: LuaExtension
  =1 wasm lua
WasmExtension
  url!: text(1..)
  sha256: sha256
  imagePullPolicy: <UNSPECIFIED_POLICY IfNotPresent Always>
  imagePullSecret: text(1..253)
  verificationKey: text
  pluginConfig: object
  pluginName: text(1..256)
  failStrategy: <FAIL_CLOSE FAIL_OPEN FAIL_RELOAD>
  vmConfig: VmConfig
  type: <UNSPECIFIED_PLUGIN_TYPE HTTP NETWORK>
LuaExtension
  inlineCode!: text(1..65536)
"""
