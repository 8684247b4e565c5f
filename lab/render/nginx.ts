/** nginx.conf for each kind of web node: a folder, a cache for HLS, a balancer for HTTP-FLV and HLS. */
import type { MutantId } from '../builtin/mutants.ts';
import type { HlsSettings, WebKind } from '../topology.ts';
import { block, corsLines, type NginxCommon, nginxConf, quoted } from './nginx-parts.ts';

export interface NginxInput extends NginxCommon {
  readonly kind: Exclude<WebKind, 'stream'>;
  /** What kind `files` serves: the folder that the first upstream writes. */
  readonly folder: string;
  /** Kinds `cache` and `balancer`: `host:port` each. */
  readonly upstreams: readonly string[];
  readonly hls: HlsSettings;
  readonly mutants: ReadonlySet<MutantId>;
}

export function renderNginx(input: NginxInput): string {
  switch (input.kind) {
    case 'files':
      return files(input);
    case 'cache':
      return cache(input);
    case 'balancer':
      return balancer(input);
  }
}

function files(input: NginxInput): string {
  const cors = corsLines(!input.mutants.has('web-no-cors'));
  const says = [
    'serves the folder that a media node writes: step 3 of seeds/000-edge-cluster-on-kubernetes.txt,',
    'where Nginx reads HLS from the shared volume.',
  ];
  const body = `    server {
        listen  ${input.host}:${input.httpPort};
        root    ${quoted(input.folder)};
${keptOpen(input.mutants)}
        # A manifest is another one with every segment: whoever keeps it must ask whether it still holds.
        location ~ \\.(m3u8|mpd)$ {
            ${playlistLifeAtPlayers(input.mutants)}
${block(cors)}
        }

        # A segment does not change, but a node that starts again counts from 0: its name comes again.
        location ~ \\.(ts|m4s|m4v|m4a)$ {
            add_header Cache-Control 'public, max-age=${Math.ceil(input.hls.windowSeconds)}';
${block(cors)}
        }

        # Recordings.
        location / {
${block(cors)}
        }
    }
`;
  return nginxConf(input, says, body, { hasTypes: !input.mutants.has('web-wrong-content-type') });
}

function keptOpen(mutants: ReadonlySet<MutantId>): string {
  if (!mutants.has('web-keeps-open-files')) return '';
  return `        # The defect: a file that was replaced is served as it was.
        open_file_cache         max=10000 inactive=1h;
        open_file_cache_valid   1h;
`;
}

/** An old playlist stops a live player: browsers ask each time whether theirs still holds. */
function playlistLifeAtPlayers(mutants: ReadonlySet<MutantId>): string {
  return mutants.has('web-keeps-playlists')
    ? "add_header Cache-Control 'public, max-age=60' always;"
    : 'add_header Cache-Control no-cache always;';
}

/** Upstream answers may carry these too; two of a kind break browsers, so there is only ours. */
const HIDE_UPSTREAM_CORS = [
  'proxy_hide_header Access-Control-Allow-Origin;',
  'proxy_hide_header Access-Control-Allow-Methods;',
  'proxy_hide_header Access-Control-Allow-Headers;',
  'proxy_hide_header Access-Control-Expose-Headers;',
  'proxy_hide_header Access-Control-Allow-Credentials;',
];

function proxied(mutants: ReadonlySet<MutantId>): string {
  const type = mutants.has('web-wrong-content-type')
    ? [
        '# The defect: whatever it is, it is said to be something else.',
        'proxy_hide_header Content-Type;',
        'add_header Content-Type application/octet-stream always;',
      ]
    : [];
  return block([...HIDE_UPSTREAM_CORS, ...corsLines(!mutants.has('web-no-cors')), ...type]);
}

/** HTTP/1.1 without `Connection: close`, so that the connections of `keepalive` are used. */
const KEEP_ALIVE = `        proxy_http_version      1.1;
        proxy_set_header        Connection '';
        proxy_connect_timeout   3s;`;

function cache(input: NginxInput): string {
  const { mutants } = input;
  const { bucket, keepSeconds, map } = playlistLife(input);
  const absent = mutants.has('cache-404') ? '60s' : '1s';
  const lock = mutants.has('cache-no-lock') ? 'off' : 'on';
  const withQuery = mutants.has('cache-key-with-query');
  const says = [
    'a cache for HLS in front of the origin (facts of SRS: its conf/hls.edge.conf).',
    'One request per segment and one per life of a playlist reach the origin, however many players there are.',
    'It needs hls_ctx and hls_ts_ctx off at the origin: with a session for every player nothing can be shared.',
  ];
  const body = `${map}    # The zone bounds the cache, to some 4000 files: a single process has no manager that would look at max_size.
    proxy_cache_path ${quoted(`${input.directory}/cache`)} levels=1:2 keys_zone=hls:512k inactive=10m use_temp_path=off;

    upstream origin {
        server ${input.upstreams.join(';\n        server ')};
        keepalive 32;
    }

    server {
        listen  ${input.host}:${input.httpPort};

${KEEP_ALIVE}
        proxy_read_timeout      5s;
        # How long things are kept is said here, and by nobody else.
        proxy_ignore_headers    Cache-Control Expires Vary Set-Cookie X-Accel-Expires;
        # Of players that ask for what is not there yet, one goes to the origin and the others wait.
        proxy_cache_lock            ${lock};
        proxy_cache_lock_timeout    10s;
        proxy_cache_lock_age        10s;
        # An old playlist is worse than none: a player takes it for a live stream that stands still.
        proxy_cache_use_stale       ${mutants.has('cache-serves-stale') ? 'error timeout http_502 http_504' : 'off'};

        location ~ \\.m3u8$ {
            proxy_pass          http://origin;
            proxy_cache         hls;
            # Without arguments but SRS's session: CMCD differs from player to player and from request to request.
            proxy_cache_key     ${withQuery ? '$request_uri' : '$uri|$arg_hls_ctx'}${bucket};
            proxy_cache_valid   200 ${keepSeconds}s;
            # A stream that is about to begin must not be missed for long.
            proxy_cache_valid   404 ${absent};
${mutants.has('cache-keeps-errors') ? '            proxy_cache_valid   502 504 60s;\n' : ''}            ${playlistLifeAtPlayers(mutants)}
            add_header X-Cache-Status $upstream_cache_status always;
${proxied(mutants)}
        }

        location ~ \\.ts$ {
            proxy_pass          http://origin;
            proxy_cache         ${mutants.has('cache-no-segments') ? 'off' : 'hls'};
            proxy_cache_key     ${withQuery ? '$request_uri' : '$uri'};
            # Longer than any playlist lists it. An origin that starts again counts from 0, hence not for ever.
            proxy_cache_valid   200 ${Math.ceil(2 * input.hls.windowSeconds)}s;
            proxy_cache_valid   404 ${absent};
            add_header X-Cache-Status $upstream_cache_status always;
${proxied(mutants)}
        }
    }
`;
  return nginxConf(input, says, body);
}

/** With a time in the key, nothing of a playlist outlives it. */
const KEYED_WITHOUT_TIME: readonly MutantId[] = ['cache-404', 'cache-serves-stale', 'cache-keeps-errors'];

/**
 * A playlist is kept for half a fragment at most. Nginx counts the life of what it keeps in whole seconds, and an
 * entry of 1 s may be served for almost 2 s, so short lives come from a time in the key.
 */
function playlistLife({ hls, mutants }: NginxInput): { bucket: string; keepSeconds: number; map: string } {
  if (mutants.has('cache-playlist-too-long')) {
    return { bucket: '', keepSeconds: Math.ceil(2 * hls.windowSeconds), map: '' };
  }
  const half = hls.fragmentSeconds / 2;
  const isShort = half < 2 && !KEYED_WITHOUT_TIME.some((mutant) => mutants.has(mutant));
  if (!isShort) return { bucket: '', keepSeconds: Math.max(1, Math.floor(half) - 1), map: '' };
  const seconds = half < 1 ? 0.5 : 1;
  const map = `    # The life of a playlist, ${seconds} s: Nginx counts in whole seconds, and keeps for one more.
    map $msec $playlist_time {
${
  half < 1
    ? `        ~^(?<first_half>\\d+)\\.[0-4]     $first_half.0;
        ~^(?<second_half>\\d+)\\.        $second_half.5;`
    : '        ~^(?<whole>\\d+)               $whole;'
}
    }

`;
  return { bucket: '|$playlist_time', keepSeconds: 2, map };
}

function balancer(input: NginxInput): string {
  const { mutants } = input;
  const says = [
    'in front of the edges, for HTTP-FLV and HLS: seeds/003-forward-cluster-haproxy-nginx.txt, nginx_srs.conf.',
    'Other than there, an edge is picked by the stream and not by the client (ip_hash): every edge cuts segments of',
    'its own, so a playlist and its segments must come from the same edge, whoever asks.',
  ];
  const body = `    # /live/test.m3u8, /live/test-42.ts and /live/test.flv are of the stream /live/test. It is the client's request that
    # counts, also where Nginx itself asks an edge.
    map $request_uri $stream_path {
        ~^(?<of_segment>[^?]+)-\\d+\\.ts(?:\\?|$)   $of_segment;
        ~^(?<of_other>[^?]+)\\.\\w+(?:\\?|$)        $of_other;
        default                                 $uri;
    }
${livingEdge(mutants)}
    upstream edges {
${pick(mutants)}
        server ${input.upstreams.map((server) => `${server} ${fails(mutants)}`).join(';\n        server ')};
        keepalive 32;
    }

    server {
        listen  ${input.host}:${input.httpPort};

${KEEP_ALIVE}${staysWithEdge(mutants)}

        # One request, one endless response. It is one of its stream's edge, too: SRS cuts HLS at an edge only while
        # somebody plays the stream there.
        location ~ \\.flv$ {
${block(flvPassing(input))}
            proxy_send_timeout  1m;
            add_header Cache-Control no-cache always;
${proxied(mutants)}
        }
${edgeAsked(mutants)}
        # An edge that does not answer these at once hangs; another one is asked then.
        location ~ \\.m3u8$ {
            proxy_pass          http://edges;
            proxy_read_timeout  3s;
            ${playlistLifeAtPlayers(mutants)}
${proxied(mutants)}
        }

        location / {
            proxy_pass          http://edges;
            proxy_read_timeout  3s;
${proxied(mutants)}
        }
    }
`;
  return nginxConf(input, says, body, { inner: unchunkedFlv(input) });
}

/**
 * For how long an edge may say nothing to an HTTP-FLV player. An SRS edge whose origin is frozen gives it up after 5 s,
 * pauses for 3 s and has a keyframe from the next one within a GOP (facts/srs.md 1.4); what is silent for longer is
 * no edge that is at work. A player of a stream that nobody publishes is sent away as well, and may ask again.
 */
export const FLV_SILENCE_SECONDS = 10;
/** An edge that lives answers whatever it is asked within a poll of its loop; it is not busy for so long. */
export const EDGE_ANSWERS_SECONDS = 1;

/** Of the edges that were asked, the last one is the one that answered. */
function livingEdge(mutants: ReadonlySet<MutantId>): string {
  if (asksNoEdge(mutants)) return '';
  return `    map $asked_edges $living_edge {
        ~(?<answered>[^\\s,]+)$  $answered;
    }
`;
}

/**
 * A frozen edge takes connections and says nothing. Nginx has no health checks of its own, and one timeout for the head
 * of an answer and for what follows, so an edge is asked whether it lives before it gets a player; one that does not is
 * passed over, as with HLS.
 */
function edgeAsked(mutants: ReadonlySet<MutantId>): string {
  if (asksNoEdge(mutants)) return '';
  return `
        # Whether the edge of the stream lives. Any answer will do; there is none within its time from one that hangs.
        location = /living-edge {
            internal;
            proxy_pass              http://edges/;
            proxy_connect_timeout   ${EDGE_ANSWERS_SECONDS}s;
            proxy_read_timeout      ${EDGE_ANSWERS_SECONDS}s;
            proxy_intercept_errors  on;
            error_page              301 302 400 401 403 404 405 500 501 503 = @lives;
        }
        location @lives {
            return 204;
        }
`;
}

function fails(mutants: ReadonlySet<MutantId>): string {
  return mutants.has('web-stays-with-edge') ? 'max_fails=0' : 'max_fails=1 fail_timeout=2s';
}

function staysWithEdge(mutants: ReadonlySet<MutantId>): string {
  if (!mutants.has('web-stays-with-edge')) return '';
  return `
        # The defect: an edge that is down is asked all the same, and no other one.
        proxy_next_upstream     off;`;
}

/** Of these defects the edges are not to know more than they did. */
function asksNoEdge(mutants: ReadonlySet<MutantId>): boolean {
  return mutants.has('web-buffers-flv') || mutants.has('web-waits-for-edges');
}

function pick(mutants: ReadonlySet<MutantId>): string {
  if (mutants.has('web-ip-hash'))
    return '        # As in the guide: by the first three numbers of the address.\n        ip_hash;';
  if (mutants.has('web-round-robin')) return '        # The defect: in turn.';
  return '        # Consistent: when an edge goes, only its own streams move.\n        hash $stream_path consistent;';
}

const UNBUFFERED = [
  '# Frames go out as they come, not when a buffer is full.',
  'proxy_buffering     off;',
] as const;

function flvPassing({ host, statusPort, mutants }: NginxInput): string[] {
  if (mutants.has('web-waits-for-edges')) {
    return [
      'proxy_pass          http://edges;',
      ...UNBUFFERED,
      '# The defect: an edge that hangs keeps its players.',
      'proxy_read_timeout  1h;',
    ];
  }
  if (!mutants.has('web-buffers-flv')) {
    return [
      'auth_request        /living-edge;',
      'auth_request_set    $asked_edges $upstream_addr;',
      'proxy_pass          http://$living_edge;',
      ...UNBUFFERED,
      '# An edge is not silent for longer, not even when it has to find another origin: it hangs, and the player has to',
      '# come back.',
      `proxy_read_timeout  ${mutants.has('web-impatient') ? 1 : FLV_SILENCE_SECONDS}s;`,
    ];
  }
  return [
    'proxy_read_timeout  1h;',
    '# The defect: frames go out when a buffer is full. Chunks of HTTP/1.1 would be passed on one by one, buffered or',
    '# not, so the body comes without them.',
    `proxy_pass          http://${host}:${statusPort};`,
    'proxy_http_version  1.0;',
    'proxy_buffering     on;',
    'proxy_buffers       8 256k;',
    'proxy_busy_buffers_size 1m;',
  ];
}

/** The other half of the defect. */
function unchunkedFlv({ mutants }: NginxInput): string {
  if (!mutants.has('web-buffers-flv')) return '';
  return `        # The edges' HTTP-FLV without chunks.
        location ~ \\.flv$ {
            proxy_pass          http://edges;
            proxy_buffering     off;
            proxy_http_version  1.1;
            proxy_set_header    Connection '';
            proxy_read_timeout  1h;
            chunked_transfer_encoding off;
        }
`;
}
