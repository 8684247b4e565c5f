/** docker-compose.yml, and every file that it mounts: for `docker compose` 2 and docker-compose 1.29. Pure. */
import { LabError, LabErrorCode } from '../errors.ts';
import { SPARE_FILES } from '../runners/launch.ts';
import type { MediaSettings, Role } from '../topology.ts';
import { CONFIG_AT, configOf, LAB_SETTINGS, SCRATCH, STORAGE } from './compose-config.ts';
import { k6Service } from './compose-k6.ts';
import { grafanaFiles, monitoringServices, prometheusFiles } from './compose-monitoring.ts';
import {
  IMAGES,
  type ImageName,
  type PlacedCluster,
  type PlacedNode,
  type Placement,
  PROFILES,
  type Profile,
  placeCluster,
  subnetOf,
  USERS,
} from './compose-plan.ts';

export interface ComposeInput {
  /** Default every one. */
  readonly profiles?: readonly Profile[];
  readonly placement?: Placement;
  /** Default those of a lab that stays up. */
  readonly settings?: Partial<MediaSettings>;
  /** Of each container. Default 65 536, or what the machine allows. */
  readonly openFiles?: number;
  /** Where the folder of the configurations is, as seen from docker-compose.yml. Default `./fixtures/compose`. */
  readonly configs?: string;
  /** Where the sources are that images are made of, as seen from docker-compose.yml. Default `.`. */
  readonly sources?: string;
}

export interface Rendered {
  readonly compose: string;
  /** By path below the folder of the configurations. */
  readonly files: ReadonlyMap<string, string>;
}

export function renderCompose(input: ComposeInput = {}): Rendered {
  const {
    profiles = PROFILES.map(({ profile }) => profile),
    placement = {},
    openFiles = OPEN_FILES,
    configs = './fixtures/compose',
    sources = '.',
  } = input;
  const maxConnections = Math.min(LAB_SETTINGS.maxConnections, Math.floor((openFiles - SPARE_FILES) / 2));
  const settings = { ...LAB_SETTINGS, maxConnections, ...input.settings };
  const clusters = profiles.map((profile) => placeCluster(profile, placement));
  const files = new Map<string, string>([...prometheusFiles(clusters, placement), ...grafanaFiles()]);
  const services = clusters.flatMap((cluster) => {
    const title = `  # ${cluster.topology.title}.\n  # ${cluster.topology.source}`;
    const texts = cluster.nodes.map((node) => {
      const { file } = configOf(node, cluster, settings);
      if (file !== undefined) files.set(`${cluster.profile}/${file.name}`, file.text);
      return service(node, cluster, settings, configs);
    });
    return [title, ...texts];
  });
  const volumes = clusters.flatMap((cluster) => cluster.nodes.flatMap((node) => volumesOf(node, cluster)));
  const kept = [...volumes, 'prometheus: {}', 'grafana: {}'].map((volume) => `  ${volume}`);
  const compose = `# The clusters of liveproof, one profile each: ${profiles.join(', ')}; and monitoring, k6.
# Rendered from lab/topologies by \`npm run render:compose\`; changes here are overwritten.
#
#   docker compose --profile edge up --build --detach --wait
#   docker compose --profile edge --profile monitoring up --build --detach
#   docker compose --profile edge down --volumes
#
# \`npm run lab:up\` does the same and prints the URLs. Ports are published on 127.0.0.1 only.

${common(sources, openFiles)}
services:
${services.join('\n\n')}

${monitoringServices(clusters, placement, configs)}

${k6Service(sources)}

networks:
  liveproof:
    ipam:
      config:
        # 198.18.0.0/15 is for tests of networks (RFC 2544): nobody's real addresses.
        - subnet: ${subnetOf(placement)}

volumes:
${kept.join('\n')}
`;
  return { compose, files };
}

/** What services of one image have in common. Limits are in the words that Compose 1.29 and 2 both read. */
function common(sources: string, openFiles: number): string {
  return `x-common: &common
  restart: 'no'
  # Nothing in a container may gain rights, or write where nobody looks.
  security_opt: ['no-new-privileges:true']
  cap_drop: [ALL]
  read_only: true
  tmpfs: ['${SCRATCH}']
  stop_grace_period: 3s
  ulimits: { nofile: { soft: ${openFiles}, hard: ${openFiles} } }
  logging: { driver: json-file, options: { max-size: 10m, max-file: '2' } }

x-srs: &srs
  <<: *common
  ${user('srs-6')}
  mem_limit: 512m
  cpus: 1.0
  healthcheck: ${health('http', 1985, '/api/v1/versions')}

x-srs-5: &srs-5
  <<: *srs
  image: ${IMAGES['srs-5']}

x-srs-6: &srs-6
  <<: *srs
  image: ${IMAGES['srs-6']}

x-haproxy: &haproxy
  <<: *common
  image: ${IMAGES.haproxy}
  ${user('haproxy')}
  mem_limit: 256m
  cpus: 1.0

x-nginx: &nginx
  <<: *common
  image: ${IMAGES.nginx}
  # Without the image's script, which changes files of /etc.
  entrypoint: []
  ${user('nginx')}
  mem_limit: 256m
  cpus: 1.0
  healthcheck: ${health('http', 1985, '/pid')}

x-nginx-rtmp: &nginx-rtmp
  <<: *common
  image: ${IMAGES['nginx-rtmp']}
  build: { context: '${sources}', dockerfile: fixtures/compose/nginx-rtmp.Dockerfile }
  ${user('nginx-rtmp')}
  # ffmpeg encodes a ladder for each stream.
  mem_limit: 1g
  cpus: 2.0

x-redis: &redis
  <<: *common
  image: ${IMAGES.redis}
  entrypoint: []
  ${user('redis')}
  mem_limit: 320m
  cpus: 0.5
  healthcheck: { test: [CMD, redis-cli, ping], ${TIMES} }

x-node: &node
  <<: *common
  image: ${IMAGES.node}
  build: { context: '${sources}', dockerfile: Dockerfile }
  ${user('node')}
  mem_limit: 512m
  cpus: 1.0
  healthcheck: ${health('http', 1985, '/api/v1/versions')}
`;
}

const user = (image: ImageName): string => `user: '${USERS[image]}:${USERS[image]}'`;

/** Two for each of 15 000 connections, and more. */
const OPEN_FILES = 65_536;

const TIMES = 'interval: 2s, timeout: 2s, retries: 15, start_period: 10s';

/** By bash, which the images have, other than an HTTP client. */
function health(_kind: 'http', port: number, path: string, host = '127.0.0.1'): string {
  const script = `exec 3<>/dev/tcp/${host}/${port} && printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '`;
  return `{ test: [CMD, bash, -c, ${JSON.stringify(script)}], ${TIMES} }`;
}

function service(node: PlacedNode, cluster: PlacedCluster, settings: MediaSettings, configs: string): string {
  const { spec, image, ip, inner, outer } = node;
  const { file, command, environment } = configOf(node, cluster, settings);
  const at = image.startsWith('srs')
    ? CONFIG_AT.srs
    : (CONFIG_AT[image as keyof typeof CONFIG_AT] ?? CONFIG_AT.nginx);
  const storage = storageOf(node, cluster);
  const mounts = [
    ...(file === undefined ? [] : [`${configs}/${cluster.profile}/${file.name}:${at}:ro`]),
    ...storage,
  ];
  const waits = waitsFor(node, cluster);
  const lines = [
    `  ${node.service}:`,
    `    <<: *${image}`,
    `    profiles: [${cluster.profile}]`,
    `    hostname: ${spec.name}`,
    `    networks: { liveproof: { ipv4_address: ${ip} } }`,
    `    ports:`,
    ...Object.entries(outer).map(([kind, port]) => {
      const udp = kind === 'srt' || kind === 'rtc' ? '/udp' : '';
      return `      - '127.0.0.1:${port}:${inner[kind as keyof typeof inner]}${udp}'`;
    }),
    ...(command === undefined ? [] : [`    command: ${JSON.stringify(command)}`]),
    ...(environment === undefined
      ? []
      : [
          '    environment:',
          ...Object.entries(environment).map(([name, value]) => `      ${name}: ${JSON.stringify(value)}`),
        ]),
    ...(isMediaImage(image) && storage.length === 0
      ? [`    tmpfs: ['${SCRATCH}', '${STORAGE}:${ownedBy(image)}']`]
      : []),
    ...(mounts.length === 0 ? [] : ['    volumes:', ...mounts.map((mount) => `      - ${mount}`)]),
    ...(image === 'haproxy' ? [`    healthcheck: ${health('http', inner.stats ?? inner.api, '/pid')}`] : []),
    ...(image === 'nginx-rtmp' ? [`    healthcheck: ${health('http', inner.api, '/pid', ip)}`] : []),
    ...(waits.length === 0
      ? []
      : ['    depends_on:', ...waits.map((name) => `      ${name}: { condition: service_healthy }`)]),
  ];
  return lines.join('\n');
}

const FIRST: readonly Role[] = ['redis', 'stream-manager', 'proxy'];

/** Whoever it would ask or look at in its first second. Origins register by themselves: a proxy waits for nobody. */
function waitsFor({ spec }: PlacedNode, { profile, nodes }: PlacedCluster): string[] {
  const names = new Set<string>();
  if (!FIRST.includes(spec.role)) for (const name of spec.upstreams) names.add(name);
  for (const name of [spec.redis, spec.registersWith, spec.reportsTo])
    if (name !== undefined) names.add(name);
  for (const name of names) {
    if (!nodes.some((node) => node.spec.name === name)) {
      throw new LabError(LabErrorCode.Unknown, `${spec.name} waits for ${name}, which is not there`);
    }
  }
  return [...names].map((name) => `${profile}-${name}`);
}

/** What a media node writes and an Nginx reads is in a volume; what nobody else reads is forgotten with the container. */
function storageOf({ spec, image, service: name }: PlacedNode, { profile, nodes }: PlacedCluster): string[] {
  if (image === 'redis') return ['/data'];
  if (spec.web === 'files') return [`${profile}-${spec.upstreams[0]}:${STORAGE}:ro`];
  const isRead = nodes.some((node) => node.spec.web === 'files' && node.spec.upstreams.includes(spec.name));
  return isMediaImage(image) && isRead ? [`${name}:${STORAGE}`] : [];
}

/** Those that a node writes. Where the image has no such folder a new volume is root's, but memory is whose it is told. */
function volumesOf(node: PlacedNode, cluster: PlacedCluster): string[] {
  const { image, service: name } = node;
  if (!storageOf(node, cluster).includes(`${name}:${STORAGE}`)) return [];
  if (!image.startsWith('srs')) return [`${name}: {}`];
  const options = `size=${STORAGE_SIZE},${ownedBy(image)}`;
  return [`${name}: { driver_opts: { type: tmpfs, device: tmpfs, o: '${options}' } }`];
}

/** Of memory that is mounted. Unsaid, it is everybody's at first, and root's once the container was started again. */
function ownedBy(image: ImageName): string {
  return `mode=0755,uid=${USERS[image]},gid=${USERS[image]}`;
}

/** Counts for the container that writes it. A window of 12 s takes 1.5 MB for each Mbit/s. */
const STORAGE_SIZE = '256m';

function isMediaImage(image: ImageName): boolean {
  return image.startsWith('srs') || image === 'nginx-rtmp';
}
