/** Checks of a proxy in front of origins. Those that bring origins of their own come last. */
import type { Check } from '../check.ts';
import { deadOrigin, flappingOrigin, growth, proxiesAgree, restartedOrigin } from './proxy-changes.ts';
import { registration } from './proxy-register.ts';
import { requests, rtmpCommands } from './proxy-requests.ts';
import { clientGone, httpTs, spread, sticky } from './proxy-streams.ts';
import { exporter, srtThrough, webrtcThrough, whipRequests } from './proxy-udp.ts';

export const PROXY_CHECKS: readonly Check[] = [
  sticky,
  httpTs,
  spread,
  proxiesAgree,
  clientGone,
  flappingOrigin,
  deadOrigin,
  webrtcThrough,
  srtThrough,
  exporter,
  growth,
  requests,
  rtmpCommands,
  whipRequests,
  restartedOrigin,
  registration,
];
