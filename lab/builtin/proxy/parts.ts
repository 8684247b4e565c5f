/** The protocols of the proxy, in the order in which they start and are asked on the HTTP API port. */
import type { PartFactory } from './context.ts';
import { HttpServer } from './http-server.ts';
import { RtcProxy } from './rtc.ts';
import { RtmpServer } from './rtmp-server.ts';
import { SrtProxy } from './srt.ts';
import { SystemApi } from './system-api.ts';

export const PARTS: readonly PartFactory[] = [
  (context) => new SystemApi(context),
  (context) => new RtmpServer(context),
  (context) => new HttpServer(context),
  (context) => new SrtProxy(context),
  (context) => new RtcProxy(context),
];
