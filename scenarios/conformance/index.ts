/** All checks, in the order in which the gate runs them. */
import type { Check } from '../check.ts';
import { ALL_PROTOCOLS } from './all-protocols.ts';
import { backToSource } from './back-to-source.ts';
import { DUPLICATE_PULL } from './duplicate-pull.ts';
import { FAILOVER_CHECKS } from './failover.ts';
import { fanOut } from './fan-out.ts';
import { FLV_CHECKS } from './flv.ts';
import { throughNginx } from './flv-through-nginx.ts';
import { forward } from './forward.ts';
import { HLS_CHECKS } from './hls.ts';
import { NGINX_RTMP_CHECKS } from './nginx-rtmp.ts';
import { PROXY_CHECKS } from './proxy.ts';
import { QUIET_CHECKS } from './quiet.ts';
import { REDIRECT_CHECKS } from './redirect.ts';
import { RTMP_CHECKS } from './rtmp.ts';
import { SRT_CHECKS } from './srt.ts';
import { MANAGER_CHECKS } from './stream-manager.ts';
import { WEBRTC_CHECKS } from './webrtc.ts';

export const CHECKS: readonly Check[] = [
  ...backToSource,
  ...DUPLICATE_PULL,
  ...fanOut,
  ...QUIET_CHECKS,
  ...ALL_PROTOCOLS,
  ...RTMP_CHECKS,
  ...FLV_CHECKS,
  ...forward,
  throughNginx,
  ...FAILOVER_CHECKS,
  ...HLS_CHECKS,
  ...NGINX_RTMP_CHECKS,
  ...SRT_CHECKS,
  ...WEBRTC_CHECKS,
  ...REDIRECT_CHECKS,
  ...PROXY_CHECKS,
  ...MANAGER_CHECKS,
];
