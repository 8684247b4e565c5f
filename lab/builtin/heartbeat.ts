/** How an origin tells a proxy that it lives, and where: SRS's `heartbeat` with `ports on` (seeds/001, facts/srs.md 4.2). */
import { requestText } from '../http-request.ts';
import type { RegisterConfig } from './config.ts';
import type { MediaNode } from './node.ts';

const LIMITS = { timeoutMs: 3000, maxBody: 64 * 1024 };

export class Heartbeat {
  readonly #node: MediaNode;
  readonly #config: RegisterConfig;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #failing = false;

  /** Begins at once: the node is there. */
  constructor(node: MediaNode, config: RegisterConfig) {
    this.#node = node;
    this.#config = config;
    void this.#beat();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  /** One after the other: a proxy that hangs is not flooded. */
  async #beat(): Promise<void> {
    const { url, intervalMs } = this.#config;
    const from = performance.now();
    const failure = await this.#send().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (this.#closed) return;
    if (failure === undefined ? this.#failing : !this.#failing) {
      this.#node.log(failure === undefined ? `registers at ${url} again` : `register at ${url}: ${failure}`);
    }
    this.#failing = failure !== undefined;
    const spent = performance.now() - from;
    this.#timer = setTimeout(() => this.#beat(), Math.max(0, intervalMs - spent));
  }

  async #send(): Promise<void> {
    const { hostname, port, pathname, search } = new URL(this.#config.url);
    const at = { host: hostname, port: Number(port || 80) };
    await requestText(at, 'POST', `${pathname}${search}`, LIMITS, JSON.stringify(this.#body()));
  }

  #body(): Record<string, unknown> {
    const { ip, deviceId, endpoints } = this.#config;
    const { serverId, serviceId } = this.#node;
    const { rtmp, http, api, srt, rtc } = endpoints;
    return {
      device_id: deviceId,
      ip,
      server: serverId,
      service: serviceId,
      pid: String(process.pid),
      rtmp: [String(rtmp)],
      http: [String(http)],
      api: [String(api)],
      ...(srt === undefined ? {} : { srt: [`udp://0.0.0.0:${srt}`] }),
      ...(rtc === undefined ? {} : { rtc: [`udp://0.0.0.0:${rtc}`] }),
    };
  }
}
