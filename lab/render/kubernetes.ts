/** deploy/kubernetes: the clusters as manifests for `kubectl apply -k`, rendered from the topologies. Pure. */
import { stringify } from 'yaml';
import { topologyByName } from '../topologies/index.ts';
import { CONFIG_AT, configOf, LAB_SETTINGS, SCRATCH, STORAGE } from './compose-config.ts';
import { EXPORTER_PORT, IMAGES, type ImageName, type PlacedNode, USERS } from './compose-plan.ts';
import { renderLoad } from './kubernetes-load.ts';
import { type KubernetesPlan, type Member, planKubernetes, type Workload } from './kubernetes-plan.ts';

/** A document of YAML. */
export type Manifest = Readonly<Record<string, unknown>>;

/** Folders below deploy/kubernetes: the topology of each. */
export const KUBERNETES_CLUSTERS = ['edge-cluster', 'nginx-rtmp', 'proxy-redis'] as const;

const HEADER = 'Rendered from lab/topologies by `npm run render:kubernetes`; changes here are overwritten.';

/** Long lines stay whole, and what is said twice is written twice: anchors are for nobody who reads. */
const YAML = { lineWidth: 0, aliasDuplicateObjects: false };

/** By path below deploy/kubernetes. */
export function renderKubernetes(): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of KUBERNETES_CLUSTERS) {
    const plan = planKubernetes(topologyByName(name));
    const { title, source } = plan.topology;
    addFolder(files, name, `${title}.\n${source}`, manifestsOf(plan), { namespace: `liveproof-${name}` });
  }
  for (const { folder, title, manifests } of renderLoad()) addFolder(files, folder, title, manifests, {});
  return files;
}

function addFolder(
  files: Map<string, string>,
  folder: string,
  title: string,
  manifests: ReadonlyMap<string, readonly Manifest[]>,
  more: Manifest,
): void {
  const comment = [...title.split('\n'), HEADER].map((line) => `# ${line}\n`).join('');
  for (const [file, documents] of manifests) {
    const text = documents.map((document) => stringify(document, YAML)).join('---\n');
    files.set(`${folder}/${file}`, comment + text);
  }
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    ...more,
    resources: [...manifests.keys()],
  };
  files.set(`${folder}/kustomization.yaml`, comment + stringify(kustomization, YAML));
}

function manifestsOf(plan: KubernetesPlan): Map<string, Manifest[]> {
  const manifests = new Map<string, Manifest[]>();
  manifests.set('namespace.yaml', [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `liveproof-${plan.topology.name}` } },
  ]);
  for (const workload of plan.workloads) {
    manifests.set(`${workload.name}.yaml`, [
      ...configMap(workload, plan),
      ...claims(workload),
      deployment(workload, plan),
      ...services(workload, plan),
    ]);
  }
  return manifests;
}

// ---- configuration ----

function placed(member: Member, plan: KubernetesPlan): PlacedNode {
  return plan.cluster.nodes.find(({ spec }) => spec === member.spec)!;
}

function config(member: Member, plan: KubernetesPlan) {
  return configOf(placed(member, plan), plan.cluster, LAB_SETTINGS);
}

const configName = (workload: Workload): string => `${workload.name}-config`;

function configMap(workload: Workload, plan: KubernetesPlan): Manifest[] {
  const data = Object.fromEntries(
    workload.members.flatMap((member) => {
      const { file } = config(member, plan);
      return file === undefined ? [] : [[file.name, file.text]];
    }),
  );
  if (Object.keys(data).length === 0) return [];
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: configName(workload), labels: labels(workload) },
      data,
    },
  ];
}

// ---- pods ----

function labels({ name }: Workload): Manifest {
  return { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'liveproof' };
}

/** What one pod of each image may take (those of docker-compose.yml). */
const OF_IMAGE: Readonly<Record<ImageName, { cpu: string; memory: string; limit: string }>> = {
  'srs-5': { cpu: '100m', memory: '128Mi', limit: '512Mi' },
  'srs-6': { cpu: '100m', memory: '128Mi', limit: '512Mi' },
  haproxy: { cpu: '100m', memory: '64Mi', limit: '256Mi' },
  nginx: { cpu: '50m', memory: '64Mi', limit: '256Mi' },
  redis: { cpu: '50m', memory: '64Mi', limit: '320Mi' },
  prometheus: { cpu: '100m', memory: '256Mi', limit: '512Mi' },
  grafana: { cpu: '100m', memory: '128Mi', limit: '256Mi' },
  k6: { cpu: '2', memory: '2Gi', limit: '2Gi' },
  node: { cpu: '100m', memory: '128Mi', limit: '512Mi' },
  'nginx-rtmp': { cpu: '500m', memory: '256Mi', limit: '1Gi' },
};

/** ffmpeg encodes a ladder for each stream. */
const CPU_LIMIT: Partial<Record<ImageName, string>> = { 'nginx-rtmp': '2' };

function isMedia(image: ImageName): boolean {
  return image.startsWith('srs') || image === 'nginx-rtmp';
}

function deployment(workload: Workload, plan: KubernetesPlan): Manifest {
  const { name, replicas, members } = workload;
  const [main] = members;
  const user = USERS[main!.image];
  const hasConfig = members.some((member) => config(member, plan).file !== undefined);
  const recorded = main!.image === 'nginx-rtmp';
  const volumes = [
    ...(hasConfig ? [{ name: 'config', configMap: { name: configName(workload) } }] : []),
    { name: 'scratch', emptyDir: {} },
    ...(members.some(({ image }) => isMedia(image)) ? [{ name: 'media', emptyDir: {} }] : []),
    ...(recorded ? [{ name: 'recordings', persistentVolumeClaim: { claimName: `${name}-recordings` } }] : []),
    ...(main!.spec.role === 'redis'
      ? [{ name: 'data', persistentVolumeClaim: { claimName: `${name}-data` } }]
      : []),
  ];
  const exported = main!.image.startsWith('srs');
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, labels: labels(workload) },
    spec: {
      replicas,
      // A second origin beside the first would have no stream; a claim is of one pod.
      ...(replicas === 1 && { strategy: { type: 'Recreate' } }),
      selector: { matchLabels: { 'app.kubernetes.io/name': name } },
      template: {
        metadata: {
          labels: labels(workload),
          ...(exported && {
            annotations: { 'prometheus.io/scrape': 'true', 'prometheus.io/port': String(EXPORTER_PORT) },
          }),
        },
        spec: {
          automountServiceAccountToken: false,
          // Of each service it would put variables such as REDIS_PORT into the environment.
          enableServiceLinks: false,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: user,
            runAsGroup: user,
            fsGroup: user,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...(replicas > 1 && { topologySpreadConstraints: [spread(name)] }),
          containers: members.map((member) => container(member, workload, plan)),
          volumes,
        },
      },
    },
  };
}

/** On machines of their own where there are enough. */
function spread(name: string): Manifest {
  return {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: { 'app.kubernetes.io/name': name } },
  };
}

/** Of a media node: above `max_connections` of SRS. */
const OPEN_FILES = 65_536;

/** Images whose entry point would change files, or start another program. */
const WITHOUT_ENTRY_POINT: readonly ImageName[] = ['nginx', 'redis'];

function container(member: Member, workload: Workload, plan: KubernetesPlan): Manifest {
  const { name, image, spec } = member;
  const { file, command, environment = {} } = config(member, plan);
  const { cpu, memory, limit } = OF_IMAGE[image];
  const storage = [
    ...(isMedia(image) || spec.web === 'files' ? [mount('media', STORAGE, spec.web === 'files')] : []),
    ...(workload.members[0]!.image === 'nginx-rtmp'
      ? [mount('recordings', `${STORAGE}/vod`, spec.web === 'files')]
      : []),
    ...(spec.role === 'redis' ? [mount('data', '/data')] : []),
  ];
  return {
    name,
    image: IMAGES[image],
    ...(command && startOf(image, command)),
    ...(Object.keys(environment).length > 0 && { env: Object.entries(environment).map(variable) }),
    ports: portsOf(member).map(({ name, port }) => ({ name, containerPort: port })),
    ...probes(member),
    resources: {
      requests: { cpu, memory },
      limits: { cpu: CPU_LIMIT[image] ?? '1', memory: limit },
    },
    securityContext: SECURITY,
    volumeMounts: [
      ...(file === undefined ? [] : [{ ...mount('config', placeOf(image), true), subPath: file.name }]),
      { ...mount('scratch', SCRATCH), subPath: name },
      ...storage,
    ],
  };
}

/**
 * Machines give containers 1024 open files, or a thousand million. SRS does not start with the first, nginx-rtmp closes
 * all that there could be before each ffmpeg (launch-nginx-rtmp.ts): media nodes set their own limit, or the most they may.
 */
function startOf(image: ImageName, command: readonly string[]): Manifest {
  if (isMedia(image)) {
    const limited = `ulimit -n ${OPEN_FILES} || ulimit -n \`ulimit -Hn\`; exec "$0" "$@"`;
    return { command: ['sh', '-c', limited, ...command] };
  }
  return WITHOUT_ENTRY_POINT.includes(image) ? { command } : { args: command };
}

/** Nothing in a container may gain rights, or write where nobody looks. */
export const SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};

function placeOf(image: ImageName): string {
  if (image.startsWith('srs')) return CONFIG_AT.srs;
  return CONFIG_AT[image as keyof typeof CONFIG_AT] ?? CONFIG_AT.nginx;
}

function mount(name: string, mountPath: string, readOnly = false): Manifest {
  return { name, mountPath, ...(readOnly && { readOnly }) };
}

/** An origin registers the address of its pod: what it is on Compose is known before, here it is not. */
function variable([name, value]: [string, string]): Manifest {
  if (name !== 'SRS_DEVICE_IP') return { name, value };
  return { name, valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } };
}

function portsOf({ image, spec, ports }: Member): { name: string; port: number }[] {
  if (spec.role === 'redis') return [{ name: 'redis', port: ports.redis! }];
  const named = (names: readonly ('rtmp' | 'http' | 'api' | 'system')[]) =>
    names.map((name) => ({
      name: spec.web === undefined ? name : `${spec.name}-${name}`,
      port: ports[name]!,
    }));
  if (spec.role === 'web') return named(['http', 'api']);
  if (spec.role === 'proxy') return named(['rtmp', 'http', 'api', 'system']);
  const media = named(['rtmp', 'http', 'api']);
  return image.startsWith('srs') ? [...media, { name: 'exporter', port: EXPORTER_PORT }] : media;
}

/** A node that answers is ready; one that has not for half a minute is started anew. */
function probes({ spec, image, ports }: Member): Manifest {
  const look =
    spec.role === 'redis'
      ? { exec: { command: ['redis-cli', 'ping'] } }
      : {
          httpGet: {
            path: spec.role === 'web' || image === 'nginx-rtmp' ? '/pid' : '/api/v1/versions',
            port: ports.api,
          },
        };
  return {
    startupProbe: { ...look, periodSeconds: 1, failureThreshold: 60 },
    readinessProbe: { ...look, periodSeconds: 2, timeoutSeconds: 2 },
    livenessProbe: { ...look, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  };
}

function claims({ name, members }: Workload): Manifest[] {
  const claim = (suffix: string, storage: string): Manifest => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: `${name}-${suffix}` },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  });
  const [main] = members;
  if (main!.spec.role === 'redis') return [claim('data', '1Gi')];
  return main!.image === 'nginx-rtmp' ? [claim('recordings', '10Gi')] : [];
}

// ---- services ----

/**
 * Inside the cluster under the node's name; what viewers and encoders come through is a load balancer (the guide's SLB),
 * and all ports of the same pods are inside under the name of the topology's HAProxy, or else as `NAME-inside`.
 */
function services(workload: Workload, plan: KubernetesPlan): Manifest[] {
  const { name, members } = workload;
  const [main, ...webs] = members;
  const { spec, image } = main!;
  const front = plan.fronts.find(({ of }) => of === name);
  const inside = portsOf(main!).filter(({ name }) => name !== 'exporter');
  const list: Manifest[] = [];
  if (spec.web === 'cache') list.push(onPort80(name, main!));
  else if (front !== undefined || spec.role === 'edge' || image === 'nginx-rtmp') {
    list.push(service(front?.name ?? `${name}-inside`, name, inside));
    list.push(service(name, name, inside.filter(isForAll(image)), 'LoadBalancer'));
  } else if (isReached(spec.name, plan)) list.push(service(name, name, inside));
  return [...list, ...webs.map((web) => onPort80(name, web))];
}

/**
 * Who reaches an HTTP API may end anybody's session, and it asks nobody who they are. The HTTP server of nginx-rtmp has
 * statistics and no media: that is its Nginx's.
 */
function isForAll(image: ImageName): (port: { readonly name: string }) => boolean {
  const names = image === 'nginx-rtmp' ? ['rtmp'] : ['rtmp', 'http'];
  return ({ name }) => names.includes(name);
}

/** What an Nginx serves. */
function onPort80(workload: string, web: Member): Manifest {
  const { name } = portsOf(web)[0]!;
  return service(web.name, workload, [{ name, port: 80, to: name }], 'LoadBalancer');
}

/** Some node's configuration names it. */
function isReached(name: string, { cluster }: KubernetesPlan): boolean {
  return cluster.nodes.some(
    ({ spec }) =>
      (spec.upstreams.includes(name) &&
        spec.role !== 'balancer' &&
        spec.web !== 'files' &&
        spec.role !== 'proxy') ||
      spec.registersWith === name ||
      spec.redis === name,
  );
}

function service(
  name: string,
  workload: string,
  ports: readonly { readonly name: string; readonly port: number; readonly to?: string }[],
  type: 'ClusterIP' | 'LoadBalancer' = 'ClusterIP',
): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { 'app.kubernetes.io/part-of': 'liveproof' } },
    spec: {
      type,
      // A player's address stays what it is, and a viewer of the cluster is not counted as a node of it.
      ...(type === 'LoadBalancer' && { externalTrafficPolicy: 'Local' }),
      selector: { 'app.kubernetes.io/name': workload },
      ports: ports.map(({ name, port, to }) => ({ name, port, targetPort: to ?? name, protocol: 'TCP' })),
    },
  };
}
