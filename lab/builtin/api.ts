/** The HTTP API in SRS's form (facts/srs.md 3; captures/srs-7.0.18/api-*.json). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { cpus, freemem, loadavg, totalmem, uptime } from 'node:os';
import type { ClientRecord } from './clients.ts';
import { clusterAnswer } from './cluster-api.ts';
import { API_VERSION, SERVER_NAME } from './constants.ts';
import { audioInfo, videoInfo } from './media-info.ts';
import type { MediaNode } from './node.ts';
import { requestWithin } from './request-limit.ts';
import { serveRtc } from './rtc/http.ts';
import type { Stream } from './stream.ts';

/** SRS's codes for what is not there; the HTTP status is 200 all the same. */
const Code = { ok: 0, badRequest: 400, streamNotFound: 2048, clientNotFound: 2049 } as const;

/** A page never has fewer entries than this. */
const MIN_PAGE = 10;

type Body = Record<string, unknown>;

export function createApi(node: MediaNode): Server {
  const server = createServer(requestWithin(node.timeouts.httpRequest), (request, response) =>
    serve(node, request, response),
  );
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

function serve(node: MediaNode, request: IncomingMessage, response: ServerResponse): void {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  if (node.rtc && serveRtc(node, node.rtc, path, new URLSearchParams(query), request, response)) return;
  request.resume();
  const isDirectory = /^\/api\/v1\/(streams|clients|vhosts)$/.test(path);
  if (isDirectory) {
    response.writeHead(302, {
      Location: `${path}/${query === '' ? '' : `?${query}`}`,
      Connection: 'Close',
      'Content-Length': 0,
    });
    response.end();
    return;
  }
  const body = route(node, request.method ?? 'GET', path, new URLSearchParams(query));
  if (!body) {
    response.writeHead(404, { Connection: 'Close', 'Content-Length': 0 });
    response.end();
    return;
  }
  const json = JSON.stringify({
    code: Code.ok,
    server: node.serverId,
    service: node.serviceId,
    pid: String(process.pid),
    ...body,
  });
  const text = node.mutants.has('api-control-characters') ? withoutEscapes(json) : json;
  response.writeHead(200, {
    Connection: 'Close',
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    Server: SERVER_NAME,
  });
  response.end(text);
}

/** Mutant. Those that JSON has a letter for are escaped. */
function withoutEscapes(json: string): string {
  return json.replace(/\\u00([01][0-9a-f])/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
}

function route(node: MediaNode, method: string, path: string, query: URLSearchParams): Body | undefined {
  const match = /^\/api\/v1\/([a-z]+)(\/([^/]*))?$/.exec(path);
  if (!match) return undefined;
  const id = match[3] ?? '';
  switch (match[1]) {
    case 'versions':
      return { data: API_VERSION };
    case 'summaries':
      return { data: summary(node) };
    case 'vhosts':
      return { vhosts: [vhost(node)] };
    case 'streams':
      return id === '' ? { streams: page(streams(node), query) } : streamById(node, id);
    case 'clients':
      if (id === '') return { clients: page(listedClients(node).map(clientOf(node)), query) };
      return method === 'DELETE' ? kick(node, id) : clientById(node, id);
    case 'clusters':
      return { data: clusterAnswer(node, query) };
    default:
      return undefined;
  }
}

function page<T>(entries: T[], query: URLSearchParams): T[] {
  const start = Math.max(0, Number.parseInt(query.get('start') ?? '0', 10) || 0);
  const count = Math.max(MIN_PAGE, Number.parseInt(query.get('count') ?? '0', 10) || 0);
  return entries.slice(start, start + count);
}

/** Entries live while somebody publishes or is connected (facts/srs.md 3.2). */
function streams(node: MediaNode): Body[] {
  const clients = clientsByUrl(node);
  return [...node.streams.values()]
    .filter((stream) => stream.publisher !== undefined || clients.has(stream.url))
    .map((stream) => streamOf(node, stream, clients.get(stream.url) ?? []));
}

function clientsByUrl(node: MediaNode): Map<string, ClientRecord[]> {
  const byUrl = new Map<string, ClientRecord[]>();
  for (const client of node.clients.values()) {
    const others = byUrl.get(client.url);
    if (others) others.push(client);
    else byUrl.set(client.url, [client]);
  }
  return byUrl;
}

function streamById(node: MediaNode, id: string): Body {
  const stream = [...node.streams.values()].find((one) => one.id === id);
  if (!stream) return { code: Code.streamNotFound };
  return { stream: streamOf(node, stream, clientsByUrl(node).get(stream.url) ?? []) };
}

function streamOf(node: MediaNode, stream: Stream, clients: readonly ClientRecord[]): Body {
  // An edge that pulls says "published" by its first player (facts/srs.md 1.6).
  const source = stream.publisher ?? (stream.demand?.active ? clients[0] : undefined);
  const sent = clients.reduce((sum, client) => sum + client.socket.bytesWritten, 0);
  return {
    id: stream.id,
    name: stream.name,
    vhost: node.vhostId,
    app: stream.app,
    tcUrl: source?.tcUrl ?? clients[0]?.tcUrl ?? '',
    url: stream.url,
    live_ms: Date.now(),
    clients: clients.length,
    frames: stream.frames,
    send_bytes: sent,
    recv_bytes: stream.recvBytes,
    kbps: { recv_30s: 0, send_30s: 0 },
    publish: source ? { active: true, cid: source.id } : { active: false },
    video: stream.videoHeader ? videoInfo(stream.videoHeader.payload) : null,
    audio: stream.audioHeader ? audioInfo(stream.audioHeader.payload) : null,
  };
}

function listedClients({ clients, mutants }: MediaNode): ClientRecord[] {
  const all = [...clients.values()];
  return mutants.has('api-misses-players') ? all.filter((_, i) => i % 4 !== 3) : all;
}

function clientById(node: MediaNode, id: string): Body {
  const client = node.clients.get(id);
  return client ? { client: clientOf(node)(client) } : { code: Code.clientNotFound };
}

function clientOf(node: MediaNode): (client: ClientRecord) => Body {
  return (client) => ({
    id: client.id,
    vhost: node.vhostId,
    stream: node.streams.get(client.url)?.id ?? '',
    ip: client.ip,
    pageUrl: '',
    swfUrl: '',
    tcUrl: client.tcUrl,
    url: client.url,
    name: node.mutants.has('api-cleans-names') ? cleaned(client.name) : client.name,
    type: client.type,
    publish: client.publish,
    alive: (Date.now() - client.since) / 1000,
    send_bytes: client.socket.bytesWritten,
    recv_bytes: client.socket.bytesRead,
    kbps: { recv_30s: 0, send_30s: 0 },
  });
}

/** Mutant. */
function cleaned(name: string): string {
  return [...name].filter((one) => JSON.stringify(one) === `"${one}"`).join('');
}

function kick(node: MediaNode, id: string): Body {
  const client = node.clients.get(id);
  if (!client) return { code: Code.clientNotFound };
  client.socket.destroy();
  return {};
}

function vhost(node: MediaNode): Body {
  const clients = [...node.clients.values()];
  return {
    id: node.vhostId,
    name: '__defaultVhost__',
    enabled: true,
    clients: clients.length,
    streams: streams(node).length,
    send_bytes: clients.reduce((sum, client) => sum + client.socket.bytesWritten, 0),
    recv_bytes: clients.reduce((sum, client) => sum + client.socket.bytesRead, 0),
    kbps: { recv_30s: 0, send_30s: 0 },
    hls: node.hls
      ? { enabled: true, fragment: node.config.settings.hls.fragmentSeconds }
      : { enabled: false },
  };
}

/** What this process knows of itself is told; what would need the system's books is 0. */
function summary(node: MediaNode): Body {
  const now = Date.now();
  const rss = Math.round(process.memoryUsage.rss() / 1024);
  const { user, system } = process.cpuUsage();
  const upSeconds = (now - node.startedAt) / 1000;
  const clients = [...node.clients.values()];
  const received = clients.reduce((sum, client) => sum + client.socket.bytesRead, 0);
  const sent = clients.reduce((sum, client) => sum + client.socket.bytesWritten, 0);
  const [load1 = 0, load5 = 0, load15 = 0] = loadavg();
  return {
    ok: true,
    now_ms: now,
    self: {
      version: API_VERSION.version,
      pid: process.pid,
      ppid: process.ppid,
      argv: process.argv.slice(0, 2).join(' '),
      cwd: process.cwd(),
      mem_kbyte: rss,
      mem_percent: (rss * 1024) / totalmem(),
      cpu_percent: (user + system) / 1e6 / Math.max(upSeconds, 1e-3),
      srs_uptime: Math.floor(upSeconds),
    },
    system: {
      cpu_percent: 0,
      disk_read_KBps: 0,
      disk_write_KBps: 0,
      disk_busy_percent: 0,
      mem_ram_kbyte: Math.round(totalmem() / 1024),
      mem_ram_percent: 1 - freemem() / totalmem(),
      mem_swap_kbyte: 0,
      mem_swap_percent: 0,
      cpus: cpus().length,
      cpus_online: cpus().length,
      uptime: uptime(),
      ilde_time: 0,
      load_1m: load1,
      load_5m: load5,
      load_15m: load15,
      net_sample_time: now,
      net_recv_bytes: 0,
      net_send_bytes: 0,
      net_recvi_bytes: 0,
      net_sendi_bytes: 0,
      srs_sample_time: now,
      srs_recv_bytes: received,
      srs_send_bytes: sent,
      conn_sys: 0,
      conn_sys_et: 0,
      conn_sys_tw: 0,
      conn_sys_udp: 0,
      conn_srs: node.connectionCount,
    },
  };
}
