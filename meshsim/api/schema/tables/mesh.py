"""Field table of MeshConfig and of the ProxyConfig inside it (istio.io/api mesh/v1alpha1).

What the model does not read may have any form here: what counts is that a misspelt name is noticed.
"""

from __future__ import annotations

from typing import Final

MESH: Final = """
MeshConfig
  proxyListenPort proxyInboundListenPort proxyHttpPort: int32
  connectTimeout protocolDetectionTimeout dnsRefreshRate: span
  tcpKeepalive: TcpKeepalive
  ingressClass ingressService ingressSelector: text
  ingressControllerMode: <UNSPECIFIED OFF DEFAULT STRICT>
  accessLogFile accessLogFormat: text
  accessLogEncoding: <TEXT JSON>
  enableTracing enableEnvoyAccessLogService disableEnvoyListenerLog enablePrometheusMerge: bool
  enableAutoMtls verifyCertificateAtClient enableClientSidePolicyCheck: bool
  outboundTrafficPolicy: OutboundTrafficPolicy
  inboundTrafficPolicy: InboundTrafficPolicy
  h2UpgradePolicy: <DO_NOT_UPGRADE UPGRADE>
  trustDomain rootNamespace inboundClusterStatName outboundClusterStatName: text
  trustDomainAliases: [text]
  defaultServiceExportTo defaultVirtualServiceExportTo defaultDestinationRuleExportTo: [text]
  localityLbSetting: LocalityLoadBalancerSetting
  discoverySelectors: [MeshSelector]
  defaultHttpRetryPolicy defaultInboundHttpRetryPolicy: HTTPRetry
  defaultConfig: MeshProxyConfig
  pathNormalization: PathNormalization
  configSources caCertificates certificates serviceSettings extensionProviders: [object]
  ca defaultProviders defaultTrafficPolicy meshMTLS tlsDefaults thriftConfig serviceScopeConfigs: any
OutboundTrafficPolicy
  mode: <REGISTRY_ONLY ALLOW_ANY ALLOW_ANY_DYNAMIC_DNS>
InboundTrafficPolicy
  mode: <PASSTHROUGH LOCALHOST>
PathNormalization
  normalization: <DEFAULT NONE BASE MERGE_SLASHES DECODE_AND_MERGE_SLASHES>
MeshSelector
  matchLabels: {text}
  matchExpressions: [object]
MeshProxyConfig
  concurrency?: int32(0..)
  configPath binaryPath serviceCluster discoveryAddress customConfigFile statsdUdpAddress: text
  zipkinAddress proxyBootstrapTemplatePath meshId caCertificatesPem readinessProbe proxyHeaders: any
  drainDuration parentShutdownDuration terminationDrainDuration: span
  proxyAdminPort statusPort statNameLength: int32
  controlPlaneAuthPolicy: <NONE MUTUAL_TLS INHERIT>
  interceptionMode: <REDIRECT TPROXY NONE>
  tracingServiceName: <APP_LABEL_AND_NAMESPACE CANONICAL_NAME_ONLY CANONICAL_NAME_AND_NAMESPACE>
  proxyMetadata runtimeValues: {text}
  holdApplicationUntilProxyStarts?: bool
  extraStatTags: [text]
  tracing sds envoyAccessLogService envoyMetricsService gatewayTopology proxyStatsMatcher: any
  privateKeyProvider image availabilityZone fileFlushInterval fileFlushMinSizeKb statsCompression: any
"""
