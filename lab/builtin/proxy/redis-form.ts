/** Keys and values in Redis, in the form of SRS's own proxy, so that proxies of both kinds can share them (facts/srs.md 4.3). */
import { z } from 'zod';
import type { Mutants } from '../mutants.ts';
import type { Backend, Endpoint } from './load-balancer.ts';
import { backendOf } from './registration.ts';

export const ALL_SERVERS = 'srs-proxy-all-servers';
/** Ours: counts picks, so that origins get streams in turn. */
export const TURN = 'srs-proxy-turn';

const SERVER_PREFIX = 'srs-proxy-server:';

export function serverKey(id: string): string {
  return `${SERVER_PREFIX}${id}`;
}

export function idOfKey(key: string): string {
  return key.slice(SERVER_PREFIX.length);
}

export function urlKey(streamUrl: string): string {
  return `srs-proxy-url:${streamUrl}`;
}

export function valueKey(key: string): string {
  return `srs-proxy-${key}`;
}

const list = z.array(z.string()).optional();
const form = z.object({
  ip: z.string(),
  device_id: z.string().optional(),
  server_id: z.string(),
  service_id: z.string(),
  pid: z.string(),
  rtmp: z.array(z.string()),
  http: list,
  api: list,
  srt: list,
  rtc: list,
});

export function writeServer(backend: Backend): string {
  const { ip, deviceId, server, service, pid, rtmp, http, api, srt, rtc } = backend;
  const endpoint = (at: Endpoint | undefined, transport: 'tcp' | 'udp'): string[] | undefined =>
    at && [at.host === ip ? String(at.port) : `${transport}://${bracketed(at.host)}:${at.port}`];
  return JSON.stringify({
    ip,
    device_id: deviceId,
    server_id: server,
    service_id: service,
    pid,
    rtmp: endpoint(rtmp, 'tcp'),
    http: endpoint(http, 'tcp'),
    api: endpoint(api, 'tcp'),
    srt: endpoint(srt, 'udp'),
    rtc: endpoint(rtc, 'udp'),
    update_at: new Date().toISOString(),
  });
}

/** Undefined when it is none that can be read. */
export function readServer(key: string, text: string, mutants: Mutants): Backend | undefined {
  try {
    const { server_id: server, service_id: service, ...rest } = form.parse(JSON.parse(text));
    return { ...backendOf({ server, service, ...rest }, mutants), id: idOfKey(key) };
  } catch {
    return undefined;
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
