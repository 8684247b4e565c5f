/** srs.conf for a media node. SRS 5 and later. */
import type { HlsSettings, MediaRole, MediaSettings, RtcSettings, SrtSettings } from '../topology.ts';

export interface SrsInput {
  readonly name: string;
  readonly role: MediaRole;
  /** Empty: every address, as in a container. */
  readonly host: string;
  readonly rtmpPort: number;
  readonly httpPort: number;
  readonly apiPort: number;
  /** UDP; no SRT when left out. */
  readonly srtPort?: number;
  /** UDP; no WebRTC when left out. */
  readonly rtcPort?: number;
  /** Where an edge fetches from, `host:port` each, in the order in which it tries them. */
  readonly origins: readonly string[];
  /** Where a master forwards to, `host:port` each. */
  readonly forwards: readonly string[];
  /** Origin: `host:port` of the API of each whom it asks where a stream is. Default none. */
  readonly coworkers?: readonly string[];
  /** Origin: where its heartbeat goes. Its address is that of SRS_DEVICE_IP. Default none. */
  readonly heartbeat?: { readonly url: string; readonly deviceId: string; readonly seconds: number };
  /** Origin: URLs that are told of publishers. Default none. */
  readonly hooks?: { readonly onPublish: string; readonly onUnpublish: string };
  /** Whether it cuts HLS, by `settings.hls`, into `folder`. */
  readonly hls: boolean;
  readonly settings: MediaSettings;
  /** For the pid file; exists. */
  readonly directory: string;
  /** What its HTTP server serves; exists. */
  readonly folder: string;
  /** Its standard output when left out. */
  readonly logFile?: string;
  /** Prometheus is answered here; nowhere when left out. */
  readonly exporterPort?: number;
}

/** An SRS has no address of its own for SRT: it listens on all of them, and answers a client on loopback from this one. */
export const SRS_SRT_HOST = '127.0.0.1';

const onOff = (on: boolean): string => (on ? 'on' : 'off');

const SAYS: Record<SrsInput['role'], string> = {
  origin: 'the origin, as in seeds/000-edge-cluster-on-kubernetes.txt',
  edge: 'an edge, as in seeds/000-edge-cluster-on-kubernetes.txt and 003-forward-cluster-haproxy-nginx.txt',
  master: 'a master, as in seeds/003-forward-cluster-haproxy-nginx.txt',
  slave: 'a slave, as in seeds/003-forward-cluster-haproxy-nginx.txt',
};

export function renderSrs(input: SrsInput): string {
  const { settings } = input;
  const at = (port: number): string => (input.host === '' ? String(port) : `${input.host}:${port}`);
  return `# ${input.name}: ${SAYS[input.role]}.
# Rendered by liveproof; changes here are overwritten.

listen              ${at(input.rtmpPort)};
# Well above the load, below ulimit -n.
max_connections     ${settings.maxConnections};

# The lab holds the process and keeps what it writes.
daemon              off;
${logTank(input)}
srs_log_level       trace;
srs_log_level_v2    trace;
pid                 ${input.directory}/${input.name}.pid;
# A lab calls nobody outside, and its configuration does not change while it runs.
query_latest_version off;
inotify_auto_reload off;

http_api {
    enabled         on;
    listen          ${at(input.apiPort)};
}
# Serves HTTP-FLV${input.hls ? ' and HLS' : ''}.
http_server {
    enabled         on;
    listen          ${at(input.httpPort)};
    dir             ${input.folder};
}
${srtServer(input)}${rtcServer(input)}${heartbeat(input)}${exporter(input)}
vhost __defaultVhost__ {
    # Frames leave when they are written.
    tcp_nodelay     on;
${cluster(input.origins)}${coworkers(input)}${hooks(input)}${forward(input.forwards)}${srtOfVhost(input)}${rtcOfVhost(input)}    play {
        gop_cache       ${onOff(settings.gopCache)};
        # Seconds that a player may lag behind before frames are dropped.
        queue_length    ${settings.queueSeconds};
        # Merged write: players are written to this often, in ms.
        mw_latency      ${settings.mergedWriteMs};
        # At every hop, or players would not see the publisher's timestamps.
        time_jitter     off;
        mix_correct     off;
    }
    http_remux {
        enabled     on;
        mount       [vhost]/[app]/[stream].flv;
    }
${input.hls ? hls(input.folder, settings.hls) : ''}}
`;
}

function logTank({ logFile }: SrsInput): string {
  return logFile === undefined
    ? 'srs_log_tank        console;'
    : `srs_log_tank        file;
srs_log_file        ${logFile};`;
}

function exporter({ exporterPort, name, role }: SrsInput): string {
  if (exporterPort === undefined) return '';
  return `# For Prometheus.
exporter {
    enabled         on;
    listen          ${exporterPort};
    label           ${role};
    tag             ${name};
}
`;
}

function cluster(origins: readonly string[]): string {
  if (origins.length === 0) return '';
  return `    # An edge: fetches a stream when its first player comes, through the lab's tap on the link.
    cluster {
        mode        remote;
        origin      ${origins.join(' ')};
    }
`;
}

/** Whoever asks for a stream that is elsewhere is sent there: RTMP 302 (facts/srs.md 2). */
function coworkers({ coworkers: others = [] }: SrsInput): string {
  if (others.length === 0) return '';
  return `    # Whom it asks where a stream is, through the lab's tap on each link: seeds/002-coworker-cluster-302.txt.
    cluster {
        mode            local;
        origin_cluster  on;
        coworkers       ${others.join(' ')};
    }
`;
}

function hooks({ hooks: urls }: SrsInput): string {
  if (urls === undefined) return '';
  return `    # A stream manager is told of publishers. The query says where this origin is, which the hooks do not.
    http_hooks {
        enabled         on;
        on_publish      ${urls.onPublish};
        on_unpublish    ${urls.onUnpublish};
    }
`;
}

/** As in SRS's conf/origin1-for-proxy.conf. */
function heartbeat({ heartbeat: beat }: SrsInput): string {
  if (beat === undefined) return '';
  return `# Registers with the proxy, in whole seconds: seeds/001-origin-cluster-with-proxy.txt, Register.
heartbeat {
    enabled         on;
    interval        ${beat.seconds};
    url             ${beat.url};
    device_id       ${beat.deviceId};
    ports           on;
    summaries       off;
}
`;
}

function forward(destinations: readonly string[]): string {
  if (destinations.length === 0) return '';
  return `    # A master: sends what is published here to every slave, each through the lab's tap on the link.
    forward {
        enabled     on;
        destination ${destinations.join(' ')};
    }
`;
}

/** SRS's defaults: recvlatency 120, peerlatency 0, no passphrase. */
function srtServer({ srtPort, settings }: SrsInput): string {
  if (srtPort === undefined) return '';
  const {
    latencyMs = 120,
    peerLatencyMs = 0,
    peerIdleMs,
    passphrase,
    pbkeylen = 16,
  }: SrtSettings = settings.srt ?? {};
  const secret =
    passphrase === undefined
      ? ''
      : `    passphrase      ${passphrase};
    pbkeylen        ${pbkeylen};
`;
  const idle = peerIdleMs === undefined ? '' : `    peer_idle_timeout ${peerIdleMs};\n`;
  return `# MPEG-TS over SRT. SRS can be told a port only: it listens on every address, and answers from ${SRS_SRT_HOST}.
srt_server {
    enabled         on;
    listen          ${srtPort};
    # Least latency in ms of what publishers send, and of what players are sent.
    recvlatency     ${latencyMs};
    peerlatency     ${peerLatencyMs};
${idle}${secret}}
`;
}

/** Like SRT's, its port is one of every address, and it answers from the loopback address that is everybody's. */
function rtcServer({ rtcPort }: SrsInput): string {
  if (rtcPort === undefined) return '';
  return `# WebRTC: WHIP and WHEP are part of the HTTP API.
rtc_server {
    enabled         on;
    listen          ${rtcPort};
    candidate       ${SRS_SRT_HOST};
    use_auto_detect_network_ip off;
    api_as_candidates off;
}
`;
}

function rtcOfVhost({ rtcPort, settings }: SrsInput): string {
  if (rtcPort === undefined) return '';
  const { stunTimeoutSeconds = 30, pliSeconds = 6 }: RtcSettings = settings.rtc ?? {};
  return `    # What is published over RTMP and SRT is played over WebRTC, and the other way round; AAC becomes Opus.
    rtc {
        enabled         on;
        rtmp_to_rtc     on;
        rtc_to_rtmp     on;
        stun_timeout    ${stunTimeoutSeconds};
        pli_for_rtmp    ${pliSeconds};
    }
`;
}

function srtOfVhost({ srtPort }: SrsInput): string {
  if (srtPort === undefined) return '';
  return `    # What is published over SRT is played over RTMP, HTTP-FLV and HLS, too.
    srt {
        enabled     on;
        srt_to_rtmp on;
    }
`;
}

function hls(folder: string, settings: HlsSettings): string {
  const { fragmentSeconds, windowSeconds, sessions, disposeSeconds } = settings;
  // Whole seconds; 0 would be never.
  const dispose =
    disposeSeconds === undefined
      ? ''
      : `        hls_dispose     ${Math.max(1, Math.ceil(disposeSeconds))};\n`;
  return `    hls {
        enabled         on;
        hls_path        ${folder};
        hls_fragment    ${fragmentSeconds};
        hls_window      ${windowSeconds};
        # A session for every player; a cache or a balancer in front has to do without.
        hls_ctx         ${onOff(sessions)};
        hls_ts_ctx      ${onOff(sessions)};
${dispose}    }
`;
}
