/** The statistics page of nginx-rtmp (rtmp_stat, XML), as an observer of its streams and clients. */
import { child, childrenOf, parseXml, type XmlElement } from '../protocols/xml.ts';
import type { ApiClient, ApiStream, ApiVersions, NodeApi } from './cluster.ts';
import { LabError, LabErrorCode } from './errors.ts';
import { requestText } from './http-request.ts';
import { NGINX_RTMP_STAT_PATH } from './render/nginx-rtmp.ts';

/** A client is some 230 bytes: 15 000 of them are below. */
const LIMITS = { timeoutMs: 5000, maxBody: 4 * 1024 * 1024 };

/** Numbers are as the server counts them; what it does not say is 0. */
export interface RtmpStat {
  /** Of the module, as it says; 1.2.2 still calls itself 1.1.4. */
  readonly version: string;
  readonly nginxVersion: string;
  readonly pid: string;
  readonly uptimeSeconds: number;
  /** Connections since the start. */
  readonly accepted: number;
  /** Bytes on the sockets of all RTMP connections. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly applications: readonly StatApplication[];
}

export interface StatApplication {
  readonly name: string;
  /** Of all its streams. */
  readonly clients: number;
  readonly streams: readonly StatStream[];
}

export interface StatStream {
  readonly name: string;
  readonly timeMs: number;
  /** Bodies of audio and video messages from the publisher, sequence headers included, without chunk headers. */
  readonly bytesIn: number;
  /**
   * The same bodies times the players to whom each was sent. Sequence headers that a player gets when it joins are
   * not in it (ngx_rtmp_live_module.c, ngx_rtmp_live_av).
   */
  readonly bytesOut: number;
  /** A publisher is connected. */
  readonly publishing: boolean;
  readonly clients: readonly StatClient[];
}

export interface StatClient {
  readonly id: string;
  readonly address: string;
  readonly flashVersion: string;
  readonly timeMs: number;
  /** Messages that it was not sent. */
  readonly dropped: number;
  readonly publishing: boolean;
}

/** @throws ProtocolError when it is not XML; Error when it is no statistics page. */
export function parseRtmpStat(text: string): RtmpStat {
  const root = parseXml(text);
  const server = child(root, 'server');
  if (root.name !== 'rtmp' || server === undefined)
    throw new Error(`no statistics of nginx-rtmp: <${root.name}>`);
  return {
    version: textOf(root, 'nginx_rtmp_version'),
    nginxVersion: textOf(root, 'nginx_version'),
    pid: textOf(root, 'pid'),
    uptimeSeconds: numberOf(root, 'uptime'),
    accepted: numberOf(root, 'naccepted'),
    bytesIn: numberOf(root, 'bytes_in'),
    bytesOut: numberOf(root, 'bytes_out'),
    applications: childrenOf(server, 'application').map(applicationOf),
  };
}

function applicationOf(element: XmlElement): StatApplication {
  const live = child(element, 'live');
  return {
    name: textOf(element, 'name'),
    clients: live === undefined ? 0 : numberOf(live, 'nclients'),
    streams: live === undefined ? [] : childrenOf(live, 'stream').map(streamOf),
  };
}

function streamOf(element: XmlElement): StatStream {
  return {
    name: textOf(element, 'name'),
    timeMs: numberOf(element, 'time'),
    bytesIn: numberOf(element, 'bytes_in'),
    bytesOut: numberOf(element, 'bytes_out'),
    publishing: child(element, 'publishing') !== undefined,
    clients: childrenOf(element, 'client').map((client) => ({
      id: textOf(client, 'id'),
      address: textOf(client, 'address'),
      flashVersion: textOf(client, 'flashver'),
      timeMs: numberOf(client, 'time'),
      dropped: numberOf(client, 'dropped'),
      publishing: child(client, 'publishing') !== undefined,
    })),
  };
}

function textOf(element: XmlElement, name: string): string {
  return child(element, name)?.text ?? '';
}

function numberOf(element: XmlElement, name: string): number {
  const text = textOf(element, name);
  const value = Number(text);
  if (!Number.isFinite(value))
    throw new Error(`<${name}> is a number, not ${JSON.stringify(text.slice(0, 20))}`);
  return value;
}

/** Rejects with `lab.api` when it does not answer within 5 s, or with something else. */
export async function readRtmpStat(node: string, host: string, port: number): Promise<RtmpStat> {
  try {
    return parseRtmpStat(await requestText({ host, port }, 'GET', NGINX_RTMP_STAT_PATH, LIMITS));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `${node} at ${host}:${port}: GET ${NGINX_RTMP_STAT_PATH}: ${why}`;
    throw new LabError(LabErrorCode.Api, message, { node, cause });
  }
}

/** What the statistics tell, in the words of NodeApi. A client's `url` is `/app/stream`, as it has no other. */
export class NginxRtmpApi implements NodeApi {
  readonly #node: string;
  readonly #host: string;
  readonly #port: number;

  /** @param port the node's HTTP port. */
  constructor(node: string, host: string, port: number) {
    this.#node = node;
    this.#host = host;
    this.#port = port;
  }

  async versions(): Promise<ApiVersions> {
    const { pid, version } = await this.#read();
    return { server: this.#node, service: 'nginx-rtmp', pid, version };
  }

  async clients(): Promise<ApiClient[]> {
    return streamsOf(await this.#read()).flatMap(({ app, stream }) =>
      stream.clients.map(({ id, address, publishing }) => ({
        id,
        ip: address,
        url: `/${app}/${stream.name}`,
        name: stream.name,
        type: publishing ? 'rtmp-publish' : 'rtmp-play',
        publish: publishing,
      })),
    );
  }

  async streams(): Promise<ApiStream[]> {
    return streamsOf(await this.#read()).map(({ app, stream }) => {
      const cid = stream.clients.find(({ publishing }) => publishing)?.id;
      return {
        id: `${app}/${stream.name}`,
        name: stream.name,
        app,
        url: `/${app}/${stream.name}`,
        clients: stream.clients.length,
        publish: { active: stream.publishing, ...(cid === undefined ? {} : { cid }) },
      };
    });
  }

  /** Rejects: the page only tells, and rtmp_control is not configured. */
  kick(clientId: string): Promise<number> {
    const message = `${this.#node}: statistics cannot end client ${clientId}`;
    return Promise.reject(new LabError(LabErrorCode.Api, message, { node: this.#node }));
  }

  #read(): Promise<RtmpStat> {
    return readRtmpStat(this.#node, this.#host, this.#port);
  }
}

function streamsOf({ applications }: RtmpStat): { app: string; stream: StatStream }[] {
  return applications.flatMap(({ name, streams }) => streams.map((stream) => ({ app: name, stream })));
}
