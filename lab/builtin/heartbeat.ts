/** How an origin tells a proxy that it lives, and where: SRS's `heartbeat` with `ports on` (seeds/001, facts/srs.md 4.2). */
import { requestText } from '../http-request.ts';
import type { RegisterConfig } from './config.ts';
import type { MediaNode } from './node.ts';

const MAX_BODY = 64 * 1024;
/** For an answer; no longer than the interval, so that behind a balancer the next beat may meet a proxy that lives. */
const ANSWER_MS = 3000;

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
    const { url, intervalMs } = this.#config;
    const { hostname, port, pathname, search } = new URL(url);
    const at = { host: hostname, port: Number(port || 80) };
    const limits = { timeoutMs: Math.min(ANSWER_MS, intervalMs), maxBody: MAX_BODY };
    await requestText(at, 'POST', `${pathname}${search}`, limits, JSON.stringify(this.#body()));
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
