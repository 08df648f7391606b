"""Field tables of volumes and claims (core/v1, API 1.33 to 1.37)."""

from __future__ import annotations

from typing import Final

VOLUMES: Final = """
Volume
  awsElasticBlockStore: AWSElasticBlockStoreVolumeSource
  azureDisk: AzureDiskVolumeSource
  azureFile: AzureFileVolumeSource
  cephfs: CephFSVolumeSource
  cinder: CinderVolumeSource
  configMap: ConfigMapVolumeSource
  csi: CSIVolumeSource
  downwardAPI: DownwardAPIVolumeSource
  emptyDir: EmptyDirVolumeSource
  ephemeral: EphemeralVolumeSource
  fc: FCVolumeSource
  flexVolume: FlexVolumeSource
  flocker: FlockerVolumeSource
  gcePersistentDisk: GCEPersistentDiskVolumeSource
  gitRepo: GitRepoVolumeSource
  glusterfs: GlusterfsVolumeSource
  hostPath: HostPathVolumeSource
  image: ImageVolumeSource
  iscsi: ISCSIVolumeSource
  name!: text
  nfs: NFSVolumeSource
  persistentVolumeClaim: PersistentVolumeClaimVolumeSource
  photonPersistentDisk: PhotonPersistentDiskVolumeSource
  portworxVolume: PortworxVolumeSource
  projected: ProjectedVolumeSource
  quobyte: QuobyteVolumeSource
  rbd: RBDVolumeSource
  scaleIO: ScaleIOVolumeSource
  secret: SecretVolumeSource
  storageos: StorageOSVolumeSource
  vsphereVolume: VsphereVirtualDiskVolumeSource
PersistentVolumeClaim
  apiVersion kind: text
  metadata: ObjectMeta
  spec: PersistentVolumeClaimSpec
  status: PersistentVolumeClaimStatus
AWSElasticBlockStoreVolumeSource
  fsType volumeID!: text
  partition: int
  readOnly: bool
AzureDiskVolumeSource
  cachingMode diskName! diskURI! fsType kind: text
  readOnly: bool
AzureFileVolumeSource
  readOnly: bool
  secretName! shareName!: text
CephFSVolumeSource
  monitors!: [text]
  path secretFile user: text
  readOnly: bool
  secretRef: LocalObjectReference
CinderVolumeSource
  fsType volumeID!: text
  readOnly: bool
  secretRef: LocalObjectReference
ConfigMapVolumeSource
  defaultMode defaultUser: int
  items: [KeyToPath]
  name: text
  optional: bool
CSIVolumeSource
  driver! fsType: text
  nodePublishSecretRef: LocalObjectReference
  readOnly: bool
  volumeAttributes: {text}
DownwardAPIVolumeSource
  defaultMode defaultUser: int
  items: [DownwardAPIVolumeFile]
EmptyDirVolumeSource
  medium: text
  mode: int
  sizeLimit: quantity
EphemeralVolumeSource
  volumeClaimTemplate: PersistentVolumeClaimTemplate
FCVolumeSource
  fsType: text
  lun: int
  readOnly: bool
  targetWWNs wwids: [text]
FlexVolumeSource
  driver! fsType: text
  options: {text}
  readOnly: bool
  secretRef: LocalObjectReference
FlockerVolumeSource
  datasetName datasetUUID: text
GCEPersistentDiskVolumeSource
  fsType pdName!: text
  partition: int
  readOnly: bool
GitRepoVolumeSource
  directory repository! revision: text
GlusterfsVolumeSource
  endpoints! path!: text
  readOnly: bool
HostPathVolumeSource
  path! type: text
ImageVolumeSource
  pullPolicy: <Always IfNotPresent Never>
  reference: text
ISCSIVolumeSource
  chapAuthDiscovery chapAuthSession readOnly: bool
  fsType initiatorName iqn! iscsiInterface targetPortal!: text
  lun!: int
  portals: [text]
  secretRef: LocalObjectReference
NFSVolumeSource
  path! server!: text
  readOnly: bool
PersistentVolumeClaimVolumeSource
  claimName!: text
  readOnly: bool
PhotonPersistentDiskVolumeSource
  fsType pdID!: text
PortworxVolumeSource
  fsType volumeID!: text
  readOnly: bool
ProjectedVolumeSource
  defaultMode defaultUser: int
  sources: [VolumeProjection]
QuobyteVolumeSource
  group registry! tenant user volume!: text
  readOnly: bool
RBDVolumeSource
  fsType image! keyring pool user: text
  monitors!: [text]
  readOnly: bool
  secretRef: LocalObjectReference
ScaleIOVolumeSource
  fsType gateway! protectionDomain storageMode storagePool system! volumeName: text
  readOnly sslEnabled: bool
  secretRef!: LocalObjectReference
SecretVolumeSource
  defaultMode defaultUser: int
  items: [KeyToPath]
  optional: bool
  secretName: text
StorageOSVolumeSource
  fsType volumeName volumeNamespace: text
  readOnly: bool
  secretRef: LocalObjectReference
VsphereVirtualDiskVolumeSource
  fsType storagePolicyID storagePolicyName volumePath!: text
PersistentVolumeClaimSpec
  accessModes: [text]
  dataSource: TypedLocalObjectReference
  dataSourceRef: TypedObjectReference
  resources: VolumeResourceRequirements
  selector: LabelSelector
  storageClassName volumeAttributesClassName volumeName: text
  volumeMode: <Block Filesystem>
PersistentVolumeClaimStatus
  accessModes: [text]
  allocatedResourceStatuses: {text}
  allocatedResources capacity: {quantity}
  conditions: [PersistentVolumeClaimCondition]
  currentVolumeAttributesClassName phase: text
  healthStatus: VolumeHealthStatus
  modifyVolumeStatus: ModifyVolumeStatus
KeyToPath
  key! path!: text
  mode user: int
DownwardAPIVolumeFile
  fieldRef: ObjectFieldSelector
  mode user: int
  path!: text
  resourceFieldRef: ResourceFieldSelector
PersistentVolumeClaimTemplate
  metadata: ObjectMeta
  spec!: PersistentVolumeClaimSpec
VolumeProjection
  clusterTrustBundle: ClusterTrustBundleProjection
  configMap: ConfigMapProjection
  downwardAPI: DownwardAPIProjection
  podCertificate: PodCertificateProjection
  secret: SecretProjection
  serviceAccountToken: ServiceAccountTokenProjection
VolumeResourceRequirements
  limits requests: {quantity}
PersistentVolumeClaimCondition
  lastProbeTime lastTransitionTime: time
  message reason status! type!: text
VolumeHealthStatus
  healthConditions: [VolumeHealthCondition]
  lastTransitionTime: time
ModifyVolumeStatus
  status! targetVolumeAttributesClassName: text
ObjectFieldSelector
  apiVersion fieldPath!: text
ResourceFieldSelector
  containerName resource!: text
  divisor: quantity
ClusterTrustBundleProjection
  labelSelector: LabelSelector
  name path! signerName: text
  optional: bool
  user: int
ConfigMapProjection
  items: [KeyToPath]
  name: text
  optional: bool
DownwardAPIProjection
  items: [DownwardAPIVolumeFile]
PodCertificateProjection
  certificateChainPath credentialBundlePath keyPath keyType! signerName!: text
  maxExpirationSeconds user: int
  userAnnotations: {text}
SecretProjection
  items: [KeyToPath]
  name: text
  optional: bool
ServiceAccountTokenProjection
  audience path!: text
  expirationSeconds user: int
VolumeHealthCondition
  message reason! status!: text
"""
