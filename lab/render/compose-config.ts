/** What a node of a cluster is told when Docker Compose runs it: its configuration file, its command, its environment. */
import type { StreamManagerConfig } from '../builtin/stream-manager/config.ts';
import { type ClusterPlan, linksOf, settingsOf, WANTED_CONNECTIONS } from '../runners/launch.ts';
import { coworkersOf, heartbeatMs, hooksOf, registrationOf } from '../runners/registration.ts';
import { isMasterFront, isProxyFront, type MediaSettings } from '../topology.ts';
import { EXPORTER_PORT, type PlacedCluster, type PlacedNode, planOf } from './compose-plan.ts';
import { renderHaproxy } from './haproxy.ts';
import { renderNginx } from './nginx.ts';
import { renderNginxRtmp } from './nginx-rtmp.ts';
import { renderNginxStream } from './nginx-stream.ts';
import { renderRedis } from './redis.ts';
import { renderSrs, type SrsInput } from './srs.ts';

export interface NodeConfig {
  /** Below the folder of the configurations; undefined where the environment or an argument is all. */
  readonly file?: { readonly name: string; readonly text: string };
  /** After the image's entry point, or instead of its command. */
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Where the file is in the container, by image. */
export const CONFIG_AT = {
  srs: '/etc/liveproof/srs.conf',
  haproxy: '/usr/local/etc/haproxy/haproxy.cfg',
  nginx: '/etc/liveproof/nginx.conf',
  redis: '/usr/local/etc/redis/redis.conf',
} as const;
/** What a media node writes and an Nginx serves. */
export const STORAGE = '/www';
/** For what is of no use to anybody later: process ids, temporary files. */
export const SCRATCH = '/tmp';

const ANY = '0.0.0.0';
/** As a lab has them that stays up: SRS's defaults, but shorter HLS without sessions, so that caches work. */
export const LAB_SETTINGS: MediaSettings = {
  mergedWriteMs: 350,
  queueSeconds: 30,
  gopCache: true,
  maxConnections: WANTED_CONNECTIONS,
  hls: { fragmentSeconds: 2, windowSeconds: 12, sessions: false },
};

export function configOf(node: PlacedNode, cluster: PlacedCluster, settings: MediaSettings): NodeConfig {
  const plan = planOf(cluster, settings);
  const { image, spec } = node;
  switch (image) {
    case 'srs-5':
    case 'srs-6':
      return srs(node, plan);
    case 'haproxy':
      return {
        file: { name: `${spec.name}.cfg`, text: haproxy(node, cluster, plan) },
      };
    case 'nginx':
      return nginx(node, plan);
    case 'nginx-rtmp':
      return nginxRtmp(node, plan);
    case 'redis':
      return {
        file: {
          name: `${spec.name}.conf`,
          text: renderRedis({
            name: spec.name,
            host: ANY,
            port: node.inner.redis!,
            directory: '/data',
          }).replace(
            // Nobody but the containers of the lab, and who is on the machine, reaches it.
            /^protected-mode {2}yes$/m,
            'protected-mode  no',
          ),
        },
        command: ['redis-server', CONFIG_AT.redis],
      };
    default:
      return spec.role === 'proxy' ? proxy(node, plan) : streamManager(node, plan);
  }
}

function srs({ spec, inner }: PlacedNode, plan: ClusterPlan): NodeConfig {
  const links = linksOf(spec, 'rtmp', plan);
  const registration = registrationOf(spec, plan);
  const hooks = hooksOf(spec, plan);
  const text = renderSrs({
    name: spec.name,
    role: spec.role as SrsInput['role'],
    host: '',
    rtmpPort: inner.rtmp,
    httpPort: inner.http,
    apiPort: inner.api,
    ...(spec.srt ? { srtPort: inner.srt! } : {}),
    ...(spec.rtc ? { rtcPort: inner.rtc! } : {}),
    exporterPort: EXPORTER_PORT,
    origins: spec.role === 'edge' ? links : [],
    forwards: spec.role === 'master' ? links : [],
    coworkers: coworkersOf(spec, plan),
    ...(registration === undefined
      ? {}
      : {
          heartbeat: {
            url: registration.url,
            deviceId: spec.name,
            seconds: Math.max(1, Math.round(heartbeatMs(plan.settings) / 1000)),
          },
        }),
    ...(hooks === undefined ? {} : { hooks }),
    hls: spec.hls ?? false,
    settings: settingsOf(spec, plan),
    directory: SCRATCH,
    folder: STORAGE,
  });
  return {
    file: { name: `${spec.name}.conf`, text },
    command: ['./objs/srs', '-c', CONFIG_AT.srs],
    ...(registration === undefined ? {} : { environment: { SRS_DEVICE_IP: registration.alias } }),
  };
}

function haproxy({ spec, inner }: PlacedNode, cluster: PlacedCluster, plan: ClusterPlan): string {
  const isFront = isProxyFront(spec, cluster.topology);
  const servers = spec.upstreams.map((name) => {
    const { ip, inner: ports } = cluster.nodes.find((node) => node.spec.name === name)!;
    return {
      name,
      host: ip,
      rtmpPort: ports.rtmp,
      httpPort: ports.http,
      apiPort: ports.api,
      systemPort: ports.system,
    };
  });
  return renderHaproxy({
    front: isFront ? 'proxies' : isMasterFront(spec, cluster.topology) ? 'masters' : 'edges',
    host: ANY,
    rtmpPort: inner.rtmp,
    httpPort: inner.http,
    ...(isFront ? { proxied: { apiPort: inner.api, systemPort: inner.system! } } : {}),
    statsPort: isFront ? inner.stats! : inner.api,
    servers,
    maxConnections: plan.settings.maxConnections,
    threads: 2,
  });
}

const NGINX = ['nginx', '-p', SCRATCH, '-e', 'stderr', '-c', CONFIG_AT.nginx];

function nginx({ spec, inner }: PlacedNode, plan: ClusterPlan): NodeConfig {
  const { web: kind = 'files' } = spec;
  const common = {
    name: spec.name,
    host: ANY,
    httpPort: inner.http,
    statusPort: inner.api,
    directory: SCRATCH,
    accessLog: '/dev/stdout',
    maxConnections: 2 * plan.settings.maxConnections,
  };
  if (kind === 'stream') {
    const servers = spec.upstreams.map((name) => plan.addresses.nodes.get(name)!);
    // Of the image's Nginx the module is a part.
    const text = renderNginxStream({
      ...common,
      rtmpPort: inner.rtmp,
      servers,
      mutants: new Set(),
    });
    return { file: { name: `${spec.name}.conf`, text }, command: NGINX };
  }
  const text = renderNginx({
    ...common,
    kind,
    folder: STORAGE,
    upstreams: linksOf(spec, 'http', plan),
    hls: plan.settings.hls,
    mutants: new Set(),
  });
  return { file: { name: `${spec.name}.conf`, text }, command: NGINX };
}

function nginxRtmp({ spec, ip, inner }: PlacedNode, plan: ClusterPlan): NodeConfig {
  const text = renderNginxRtmp({
    name: spec.name,
    // ffmpeg publishes the ladder here.
    host: ip,
    rtmpPort: inner.rtmp,
    httpPort: inner.http,
    statusPort: inner.api,
    directory: SCRATCH,
    accessLog: '/dev/stdout',
    maxConnections: plan.settings.maxConnections,
    module: '/usr/lib/nginx/modules/ngx_rtmp_module.so',
    ffmpeg: '/usr/bin/ffmpeg',
    find: '/usr/bin/find',
    ffmpegLog: `${SCRATCH}/ffmpeg.log`,
    storage: STORAGE,
    hls: plan.settings.hls,
    mutants: new Set(),
  });
  return { file: { name: `${spec.name}.conf`, text }, command: NGINX };
}

/** The variables of seeds/001, Config. */
function proxy({ spec, inner }: PlacedNode, plan: ClusterPlan): NodeConfig {
  const { registration, srt, rtc } = plan.settings;
  const timeouts = {
    ...(registration?.aliveMs === undefined ? {} : { alive: registration.aliveMs }),
    ...(srt?.peerIdleMs === undefined ? {} : { srtIdle: srt.peerIdleMs }),
    ...(rtc?.stunTimeoutSeconds === undefined ? {} : { rtcIdle: rtc.stunTimeoutSeconds * 1000 }),
  };
  const redis = spec.redis === undefined ? undefined : plan.addresses.nodes.get(spec.redis)!;
  return {
    command: ['proxy.mjs'],
    environment: {
      PROXY_BIND: ANY,
      PROXY_NAME: spec.name,
      PROXY_RTMP_SERVER: String(inner.rtmp),
      PROXY_HTTP_SERVER: String(inner.http),
      PROXY_HTTP_API: String(inner.api),
      PROXY_WEBRTC_SERVER: String(inner.rtc),
      // Where its port is published.
      PROXY_WEBRTC_CANDIDATE: '127.0.0.1',
      PROXY_SRT_SERVER: String(inner.srt),
      PROXY_SYSTEM_API: String(inner.system),
      PROXY_STATIC_FILES: '/srv',
      ...(redis === undefined
        ? { PROXY_LOAD_BALANCER_TYPE: 'memory' }
        : {
            PROXY_LOAD_BALANCER_TYPE: 'redis',
            PROXY_REDIS_HOST: redis.host,
            PROXY_REDIS_PORT: String(redis.ports.redis),
          }),
      ...(Object.keys(timeouts).length === 0 ? {} : { PROXY_TIMEOUTS: JSON.stringify(timeouts) }),
    },
  };
}

function streamManager({ spec, inner }: PlacedNode, plan: ClusterPlan): NodeConfig {
  const { heartbeatMs: poll, aliveMs } = plan.settings.registration ?? {};
  const redis = spec.redis === undefined ? undefined : plan.addresses.nodes.get(spec.redis)!;
  const config: StreamManagerConfig = {
    name: spec.name,
    host: ANY,
    apiPort: inner.api,
    ...(redis === undefined ? {} : { redis: { host: redis.host, port: redis.ports.redis! } }),
    times: {
      ...(poll === undefined ? {} : { poll }),
      ...(aliveMs === undefined ? {} : { originTtl: aliveMs }),
    },
    mutants: [],
  };
  return { command: ['stream-manager.mjs', JSON.stringify(config)] };
}
