/** nginx.conf for a live node of nginx-rtmp 1.2.2 (libnginx-mod-rtmp of Debian 12). */
import type { MutantId } from '../builtin/mutants.ts';
import type { HlsSettings } from '../topology.ts';
import { LADDER, ladderArguments } from './ladder.ts';
import { type NginxCommon, nginxConf, quoted } from './nginx-parts.ts';

export interface NginxRtmpInput extends NginxCommon {
  readonly rtmpPort: number;
  /** ngx_rtmp_module.so. */
  readonly module: string;
  readonly ffmpeg: string;
  /** find(1). */
  readonly find: string;
  /** ffmpeg appends what it complains about. */
  readonly ffmpegLog: string;
  /** The shared folder: `hls`, `dash` and `vod` go below it, and exist. */
  readonly storage: string;
  readonly hls: HlsSettings;
  readonly mutants: ReadonlySet<MutantId>;
}

/** Path on the node's HTTP port of the statistics, XML. */
export const NGINX_RTMP_STAT_PATH = '/stat';

/** Streams are published to it. */
export const LIVE_APP = 'live';
/** The ladder of a stream is published to it, by ffmpeg. */
export const SHOW_APP = 'show';

/**
 * `exec_push` hands a stream's name, which is hostile input, to ffmpeg as a part of one argument that begins with
 * `rtmp://`: no shell sees it, and it can neither become an option of its own nor one of the redirections that
 * nginx-rtmp looks for at the beginning of an argument. Recordings have their names escaped, and HLS and DASH refuse
 * names that lead out of their folder. Beside that the node listens on loopback only, and the lab makes its names itself.
 * nginx-rtmp has the kernel kill ffmpeg with the process that started it (PR_SET_PDEATHSIG).
 */
export function renderNginxRtmp(input: NginxRtmpInput): string {
  const says = [
    'takes streams in, encodes each into a ladder, cuts HLS and DASH, and records:',
    'nginx-rtmp.conf of seeds/004-nginx-rtmp-hls-on-kubernetes.txt.',
    'Other than there, one worker: with more of them, ffmpeg may come to one that does not have the stream, and the',
    'statistics are those of whichever answers.',
  ];
  return `load_module ${quoted(input.module)};
${nginxConf(input, says, statisticsServer(input))}
${rtmpBlock(input)}`;
}

function statisticsServer({ host, httpPort, mutants }: NginxRtmpInput): string {
  const page = mutants.has('nginx-rtmp-stat-stale')
    ? `            # The defect: what it was once.
            default_type text/xml;
            return 200 ${quoted(STALE_PAGE)};`
    : '            rtmp_stat all;';
  return `    server {
        listen  ${host}:${httpPort};
        location = ${NGINX_RTMP_STAT_PATH} {
            access_log off;
            add_header Cache-Control no-cache;
${page}
        }
    }
`;
}

const STALE_PAGE =
  '<?xml version="1.0" encoding="utf-8" ?><rtmp><nginx_version>1.22.1</nginx_version>' +
  '<nginx_rtmp_version>1.1.4</nginx_rtmp_version><pid>1</pid><uptime>0</uptime><naccepted>0</naccepted>' +
  '<bytes_in>0</bytes_in><bytes_out>0</bytes_out><server><application><name>live</name><live>' +
  '<nclients>0</nclients></live></application></server></rtmp>';

function rtmpBlock(input: NginxRtmpInput): string {
  const { host, rtmpPort, storage, hls, mutants } = input;
  const fragmentSeconds = hls.fragmentSeconds * (mutants.has('nginx-rtmp-long-fragments') ? 3 : 1);
  const times = { fragment: `${fragmentSeconds * 1000}ms`, list: `${hls.windowSeconds * 1000}ms` };
  const variants = LADDER.map((rung) => {
    const { suffix, bandwidth, guideBandwidth } = rung;
    const declared = mutants.has('nginx-rtmp-wrong-bandwidth') ? guideBandwidth : bandwidth;
    return `            hls_variant         _${suffix} BANDWIDTH=${declared};`;
  });
  return `rtmp {
    server {
        listen      ${host}:${rtmpPort};
        chunk_size  4000;
        # Else it is a file below /var/log, which not everybody may write.
        access_log  off;
${sweep(input)}

        # Streams come in here, and may be played.
        application ${LIVE_APP} {
            live            on;
            # Who joins starts with a keyframe. Else the ladder begins with a second of sound, and its first DASH
            # segment of video has no picture in it.
            wait_key        on;
            wait_video      on;
${execPush(input)}

            # For video on demand.
            record          all;
            record_path     ${quoted(`${storage}/vod`)};
${mutants.has('nginx-rtmp-vod-truncated') ? '            # The defect: what comes after that is written over what is there.\n            record_max_size 96K;\n' : ''}        }

        # The ladder comes in here, and is for HLS and DASH only.
        application ${SHOW_APP} {
            live            on;
            ${mutants.has('nginx-rtmp-play-allowed') ? '# The defect: anybody may play.' : 'deny play all;'}

            hls                 on;
            hls_path            ${quoted(`${storage}/hls`)};
            hls_fragment        ${times.fragment};
            hls_playlist_length ${times.list};
${variants.join('\n')}

            dash                ${mutants.has('nginx-rtmp-dash-off') ? 'off' : 'on'};
            dash_path           ${quoted(`${storage}/dash`)};
            dash_fragment       ${times.fragment};
            dash_playlist_length ${times.list};
        }
    }
}
`;
}

function execPush({ host, rtmpPort, ffmpeg, ffmpegLog, mutants }: NginxRtmpInput): string {
  const here = `rtmp://${host}:${rtmpPort}`;
  const target = ({ suffix }: { readonly suffix: string }) => `${here}/${SHOW_APP}/\${name}_${suffix}`;
  const args = ladderArguments({ source: `${here}/$app/$name`, target }, mutants);
  // A line per output, as people read it.
  const text = args.map((arg) =>
    arg === '-map' || arg === '-copyts' ? `\n                ${arg}` : ` ${arg}`,
  );
  const lines = text.join('').replaceAll(/(0:v\?)\n +(-map 0:a)/g, '$1 $2');
  return `            exec_push ${quoted(ffmpeg)}${lines}
                ${quoted(`2>>${ffmpegLog}`)};`;
}

/** More than the segments that a playlist lists, and whole minutes, as find(1) counts. */
function keptMinutes({ windowSeconds }: HlsSettings): number {
  return 1 + Math.ceil((2 * windowSeconds) / 60);
}

/**
 * Segments are deleted by the cache manager, which a single process does not have. A static command is started again
 * 5 s after it has ended (respawn_timeout), so this one runs all the time. Initialization segments are written once.
 */
function sweep({ find, storage, hls }: NginxRtmpInput): string {
  const folders = ['hls', 'dash'].map((kind) => quoted(`${storage}/${kind}`)).join(' ');
  return `
        # Old segments go; the cache manager that does it elsewhere is a process of its own.
        exec_static ${quoted(find)} ${folders} -type f -regex ".*\\.\\(ts\\|m4[av]\\)" -not -name "*-init.*"
                -mmin +${keptMinutes(hls)} -delete;`;
}
