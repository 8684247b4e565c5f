/** srs.conf for an origin or an edge. SRS 5 and later. */
import type { MediaSettings } from '../topology.ts';

export interface SrsInput {
  readonly name: string;
  readonly host: string;
  readonly rtmpPort: number;
  readonly httpPort: number;
  readonly apiPort: number;
  /** `host:port` each; none for an origin. */
  readonly origins: readonly string[];
  readonly settings: MediaSettings;
  /** For the pid file and what the HTTP server serves; exists. */
  readonly directory: string;
  readonly logFile: string;
}

const onOff = (on: boolean): string => (on ? 'on' : 'off');

export function renderSrs(input: SrsInput): string {
  const { host, settings } = input;
  return `# ${input.name}: ${input.origins.length === 0 ? 'the origin' : 'an edge'} of seeds/000-edge-cluster-on-kubernetes.txt.
# Rendered by liveproof; changes here are overwritten.

listen              ${host}:${input.rtmpPort};
# Well above the load, below ulimit -n.
max_connections     ${settings.maxConnections};

# The lab holds the process and keeps what it writes.
daemon              off;
srs_log_tank        file;
srs_log_file        ${input.logFile};
srs_log_level       trace;
srs_log_level_v2    trace;
pid                 ${input.directory}/${input.name}.pid;
# A lab calls nobody outside, and its configuration does not change while it runs.
query_latest_version off;
inotify_auto_reload off;

http_api {
    enabled         on;
    listen          ${host}:${input.apiPort};
}
# Serves HTTP-FLV.
http_server {
    enabled         on;
    listen          ${host}:${input.httpPort};
    dir             ${input.directory};
}

vhost __defaultVhost__ {
    # Frames leave when they are written.
    tcp_nodelay     on;
${cluster(input.origins)}    play {
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
}
`;
}

function cluster(origins: readonly string[]): string {
  if (origins.length === 0) return '';
  return `    # An edge: fetches a stream when its first player comes, through the lab's tap on the link to the origin.
    cluster {
        mode        remote;
        origin      ${origins.join(' ')};
    }
`;
}
