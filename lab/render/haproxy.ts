/** haproxy.cfg for a balancer in front of edges, of masters or of proxies. HAProxy 2.4 and later. */

export interface HaproxyServer {
  readonly name: string;
  readonly host: string;
  readonly rtmpPort: number;
  readonly httpPort: number;
  readonly apiPort: number;
  /** Of a proxy: where origins register. */
  readonly systemPort?: number | undefined;
}

export interface HaproxyInput {
  /** What its servers are: edges are for players, masters for publishers, proxies for everybody and for origins. */
  readonly front: 'edges' | 'masters' | 'proxies';
  readonly host: string;
  readonly rtmpPort: number;
  readonly httpPort: number;
  /** In front of proxies: their HTTP API (WHIP, WHEP, statistics), and where origins register. */
  readonly proxied?: { readonly apiPort: number; readonly systemPort: number };
  /** Statistics. */
  readonly statsPort: number;
  readonly servers: readonly HaproxyServer[];
  readonly maxConnections: number;
  readonly threads: number;
  /** No health check; `masters` and `proxies`: neither retry nor redispatch. Default false. */
  readonly blind?: boolean;
  /** Sessions with a server that is found down are kept, for as long as the timeouts allow. Default false. */
  readonly keepsSessions?: boolean;
  /** Retries at the same server only; `masters` only. Default false. */
  readonly sticky?: boolean;
}

/** Path under which the balancer tells its pid. */
export const BALANCER_PID_PATH = '/pid';
/** Path under which the balancer tells its counters as CSV. */
export const BALANCER_STATS_PATH = '/stats;csv';

export function renderHaproxy(input: HaproxyInput): string {
  if (input.front === 'proxies') return forProxies(input);
  return input.front === 'edges' ? forEdges(input) : forMasters(input);
}

function globalSection(input: HaproxyInput): string {
  return `global
    maxconn ${input.maxConnections}
    nbthread ${input.threads}
    # A port that is taken must be an error, not a port shared with another lab.
    noreuseport
    log stdout format raw local0 info
`;
}

/**
 * A server that is frozen says nothing, and the timeouts of live sessions are long: whoever is there is cut off, to come
 * back at another one (HAProxy 2.6 Configuration Manual, "on-marked-down shutdown-sessions").
 */
function endsSessions({ keepsSessions = false }: HaproxyInput): string {
  return keepsSessions ? '' : ' on-marked-down shutdown-sessions';
}

/**
 * A server whose host is gone refuses nobody. It is given up before the checks find it down and end the session that waits
 * for it, which takes them 1.1 s: two of them in vain, 500 ms each, and 100 ms between. `option redispatch 1` beside it
 * takes another server at once (HAProxy 2.6 Configuration Manual, "timeout connect", "option redispatch").
 */
const CONNECTS = '    timeout connect 500ms';

function statsSection(input: HaproxyInput): string {
  return `# Counters for people (/stats), programs (${BALANCER_STATS_PATH}) and Prometheus (/metrics).
frontend stats
    mode http
    timeout http-request 15s
    no log
    bind ${input.host}:${input.statsPort}
    http-request return status 200 content-type text/plain lf-string %pid if { path ${BALANCER_PID_PATH} }
    http-request use-service prometheus-exporter if { path /metrics }
    stats enable
    stats uri /stats
`;
}

/** Like the guide's, with the check that it speaks of and does not have. */
function forMasters(input: HaproxyInput): string {
  const blind = input.blind ?? false;
  const servers = input.servers.map(
    ({ name, host, rtmpPort, apiPort }) =>
      `    server ${name} ${host}:${rtmpPort}${blind ? '' : ` check port ${apiPort}`}`,
  );
  const persistence = blind
    ? `    # The defect: a publisher that meets a dead master is sent away.
    retries 0`
    : input.sticky
      ? '    # The defect: a publisher that meets a dead master waits for that one.\n    retries 3'
      : `    # A publisher that meets a dead master is sent to another one.
    option redispatch 1
    retries 3`;
  const check = blind
    ? '    # The defect: nobody looks whether a master is up.'
    : `    # Over HTTP at the API: a bare TCP check would be a broken handshake in the master's log.
    option httpchk GET /api/v1/versions
    timeout check 1s
    default-server inter 500ms fastinter 100ms downinter 100ms rise 1 fall 2${endsSessions(input)}`;
  return `# In front of the masters, for publishers: seeds/003-forward-cluster-haproxy-nginx.txt, haproxy.cfg.
# Rendered by liveproof; changes here are overwritten.

${globalSection(input)}
defaults
    mode tcp
    log global
    option dontlognull
${persistence}
    timeout queue 1m
${CONNECTS}
    timeout client 1m
    timeout server 1m
    # Half-closed is another matter: the other side has gone.
    timeout client-fin 10s
    timeout server-fin 10s
    maxconn ${input.maxConnections}

listen srs-cluster
    bind ${input.host}:${input.rtmpPort}
    option tcplog
    balance roundrobin
${check}
${servers.join('\n')}

${statsSection(input)}`;
}

function forEdges(input: HaproxyInput): string {
  const { host, servers, blind = false } = input;
  const ends = endsSessions(input);
  const http = servers.map(
    (server) =>
      `    server ${server.name} ${server.host}:${server.httpPort}${blind ? '' : ` check port ${server.apiPort}`}`,
  );
  const rtmp = servers.map(
    (server) =>
      `    server ${server.name} ${server.host}:${server.rtmpPort}${blind ? '' : ` track flv-edges/${server.name}${ends}`}`,
  );
  return `# The load balancer in front of the edges: step 6 of seeds/000-edge-cluster-on-kubernetes.txt.
# Rendered by liveproof; changes here are overwritten.

${globalSection(input)}
defaults
    log global
    # The edge with the fewest sessions is next: live sessions last, so turns alone would not keep them even.
    balance leastconn
    maxconn ${input.maxConnections}
${CONNECTS}
    # A player may wait for its publisher as long as it likes: silence is no reason to close.
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    # Half-closed is another matter: the other side has gone.
    timeout client-fin 10s
    timeout server-fin 10s
    # Players leave at any time, and the edge must know at once.
    option abortonclose
    option redispatch 1
    retries 2

# RTMP is opaque to the balancer.
frontend rtmp
    mode tcp
    option tcplog
    bind ${host}:${input.rtmpPort}
    default_backend rtmp-edges

backend rtmp-edges
    mode tcp
    # Up and down with the check of the same edge below: a bare TCP check would be a broken handshake in the edge's log.
${rtmp.join('\n')}

# HTTP-FLV: one request, one endless response.
frontend flv
    mode http
    option httplog
    timeout http-request 15s
    bind ${host}:${input.httpPort}
    default_backend flv-edges

backend flv-edges
    mode http
    # Every player has a connection of its own to the edge, which ends with it.
    option httpclose
    # Frames go out as they come, not when a buffer is full.
    option http-no-delay
    option httpchk GET /api/v1/versions
    timeout check 1s
    default-server inter 500ms fastinter 100ms downinter 100ms rise 1 fall 2${ends}
${http.join('\n')}

${statsSection(input)}`;
}

/** The checks are HTTP at the API. A proxy that hangs loses its sessions, so that encoders come back through the other. */
function forProxies(input: HaproxyInput): string {
  const { host, servers } = input;
  const ports = input.proxied;
  if (ports === undefined) throw new Error('a balancer in front of proxies needs the ports of their API');
  const at = (
    portOf: (server: HaproxyServer) => number | undefined,
    check: (name: string) => string,
  ): string =>
    servers
      .map((server) => `    server ${server.name} ${server.host}:${portOf(server)}${check(server.name)}`)
      .join('\n');
  const blind = input.blind ?? false;
  const tracked = (name: string): string => (blind ? '' : ` track api-proxies/${name}`);
  const ended = endsSessions(input);
  return `# The load balancer in front of the proxies: seeds/001-origin-cluster-with-proxy.txt, Design.
# Rendered by liveproof; changes here are overwritten.

${globalSection(input)}
defaults
    log global
    maxconn ${input.maxConnections}
${CONNECTS}
    # A player may wait for its publisher as long as it likes: silence is no reason to close.
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    # Half-closed is another matter: the other side has gone.
    timeout client-fin 10s
    timeout server-fin 10s
${blind ? '    # The defect: whoever meets a dead proxy is sent away.\n    retries 0' : '    option redispatch 1\n    retries 3'}
${ended === '' ? '' : `    default-server${ended}\n`}
# RTMP is opaque to the balancer. Sessions last, so turns alone would not keep the proxies even.
frontend rtmp
    mode tcp
    option tcplog
    bind ${host}:${input.rtmpPort}
    default_backend rtmp-proxies

backend rtmp-proxies
    mode tcp
    balance leastconn
    # Up and down with the check of the same proxy below: a bare TCP check would be a broken handshake in its log.
${at(({ rtmpPort }) => rtmpPort, tracked)}

# HTTP-FLV, HTTP-TS and HLS.
frontend http
    mode http
    option httplog
    timeout http-request 15s
    bind ${host}:${input.httpPort}
    default_backend http-proxies

backend http-proxies
    mode http
    balance leastconn
    # Players leave at any time, and the proxy must know at once.
    option abortonclose
    # Frames go out as they come, not when a buffer is full.
    option http-no-delay
${at(({ httpPort }) => httpPort, tracked)}

# WHIP and WHEP: an offer and its answer. Media goes to the proxy that the answer names.
frontend api
    mode http
    option httplog
    timeout http-request 15s
    bind ${host}:${ports.apiPort}
    default_backend api-proxies

backend api-proxies
    mode http
    balance roundrobin
    timeout server 30s
${
  blind
    ? '    # The defect: nobody looks whether a proxy is up.\n'
    : `    option httpchk GET /api/v1/versions
    timeout check 1s
    default-server inter 500ms fastinter 100ms downinter 100ms rise 1 fall 2${ended}
`
}${at(
  ({ apiPort }) => apiPort,
  () => (blind ? '' : ' check'),
)}

# Heartbeats of origins: one proxy takes each, all know of it through Redis.
frontend register
    mode http
    option httplog
    timeout http-request 15s
    bind ${host}:${ports.systemPort}
    default_backend system-proxies

# A frozen proxy holds a heartbeat until it is found down, which is longer than some clusters let an origin live without one:
# it goes to another one.
backend system-proxies
    mode http
    balance roundrobin
    timeout server 1s
    option http-buffer-request
    option redispatch 1
    retries 1
    retry-on conn-failure empty-response response-timeout
${at(({ systemPort }) => systemPort, tracked)}

${statsSection(input)}`;
}
