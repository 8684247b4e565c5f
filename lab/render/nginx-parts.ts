/** What every rendered nginx.conf has in common. Nginx 1.18 and later. */

export interface NginxCommon {
  readonly name: string;
  readonly host: string;
  readonly httpPort: number;
  /** Tells the pid and the counters. */
  readonly statusPort: number;
  /** Nginx's prefix, for its pid file, its temporary files and its cache; exists. */
  readonly directory: string;
  /** One JSON document per request. */
  readonly accessLog: string;
  readonly maxConnections: number;
}

/** Path on `statusPort` under which Nginx tells its pid. */
export const NGINX_PID_PATH = '/pid';
/** Path on `statusPort` of ngx_http_stub_status_module. */
export const NGINX_STATUS_PATH = '/status';

/** Answers to a browser of another origin (Fetch standard, 3.2): its players ask from a page of another host. */
const CORS = [
  'add_header Access-Control-Allow-Origin * always;',
  "add_header Access-Control-Allow-Methods 'GET, HEAD, OPTIONS' always;",
  '# Range, and what CMCD sends.',
  'add_header Access-Control-Allow-Headers * always;',
  "add_header Access-Control-Expose-Headers 'Content-Length, Content-Range, Date' always;",
  '# A preflight is answered here.',
  'if ($request_method = OPTIONS) {',
  '    return 204;',
  '}',
];

/** Of types by extension: RFC 8216 4, RFC 8216 3.1; DASH as ISO 23009-1 5.2.1; FLV as SRS says it. */
const TYPES = `    types {
        application/vnd.apple.mpegurl   m3u8;
        video/mp2t                      ts;
        application/dash+xml            mpd;
        video/mp4                       mp4 m4v m4s;
        audio/mp4                       m4a;
        video/x-flv                     flv;
        text/html                       html;
        text/plain                      txt log;
    }`;
const NO_TYPES = `    # The defect: nothing has a type.
    types {
    }`;

/**
 * An argument of a directive (src/core/ngx_conf_file.c, ngx_conf_read_token); without the quotes a path with a space
 * would be two.
 */
export function quoted(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Lines of a location, indented. */
export function block(lines: readonly string[]): string {
  return lines.map((line) => `            ${line}`).join('\n');
}

export function corsLines(withCors: boolean): readonly string[] {
  return withCors ? CORS : ['# The defect: no CORS headers.'];
}

/**
 * @param body directives of the `http` block: upstreams, maps, the server.
 * @param inner locations of the lab's own server, indented.
 */
export function nginxConf(
  input: NginxCommon,
  says: readonly string[],
  body: string,
  { hasTypes = true, inner = '' }: { readonly hasTypes?: boolean; readonly inner?: string } = {},
): string {
  const at = (name: string): string => quoted(`${input.directory}/${name}`);
  return `# ${input.name}: ${says.join('\n# ')}
# Rendered by liveproof; changes here are overwritten.

# One process, so that killing or stopping it is the end or the stop of the node.
daemon          off;
master_process  off;
pid             ${at('nginx.pid')};
error_log       stderr notice;

events {
    worker_connections  ${input.maxConnections};
}

http {
    client_body_temp_path   ${at('body')};
    proxy_temp_path         ${at('proxy')};
    fastcgi_temp_path       ${at('fastcgi')};
    uwsgi_temp_path         ${at('uwsgi')};
    scgi_temp_path          ${at('scgi')};

${hasTypes ? TYPES : NO_TYPES}
    default_type        application/octet-stream;
    sendfile            on;
    tcp_nodelay         on;
    # Players ask for years on one connection.
    keepalive_timeout   65s;
    keepalive_requests  1000000;
    reset_timedout_connection on;

    log_format json escape=json '{"time":$msec,"from":"$remote_addr","method":"$request_method","uri":"$request_uri",'
        '"status":$status,"bytes":$body_bytes_sent,"seconds":$request_time,'
        '"cache":"$upstream_cache_status","upstream":"$upstream_addr","upstreamSeconds":"$upstream_response_time"}';
    access_log  ${quoted(input.accessLog)} json;

${body}
    # For the lab: which process this is, and how many connections it has.
    server {
        listen      ${input.host}:${input.statusPort};
        access_log  off;
        location = ${NGINX_PID_PATH} {
            default_type text/plain;
            return 200 $pid;
        }
        location = ${NGINX_STATUS_PATH} {
            stub_status;
        }
${inner}    }
}
`;
}
