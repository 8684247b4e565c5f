/** WebRTC through the proxy (seeds/001, WebRTC Origin Cluster): WHIP and WHEP on the HTTP API port, media over UDP. */
import type { ApiRoute, ProxyContext, ProxyPart } from './context.ts';
import { RtcRelay } from './rtc-relay.ts';
import { WhipProxy } from './whip.ts';

export class RtcProxy implements ProxyPart {
  readonly relay: RtcRelay;
  readonly api: ApiRoute;

  constructor(context: ProxyContext) {
    this.relay = new RtcRelay(context);
    this.api = new WhipProxy(context, this.relay).route;
  }

  start(): Promise<void> {
    return this.relay.start();
  }

  close(): void {
    this.relay.close();
  }
}
