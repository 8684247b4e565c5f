/** The nginx-rtmp cluster: ladder, DASH, statistics, recordings, and what a browser needs of it. */
import type { Check } from '../check.ts';
import { BROWSER_CHECKS } from './nginx-rtmp-browsers.ts';
import { DASH_CHECKS } from './nginx-rtmp-dash.ts';
import { LADDER_CHECKS } from './nginx-rtmp-ladder.ts';
import { SERVED_CHECKS } from './nginx-rtmp-served.ts';

export const NGINX_RTMP_CHECKS: readonly Check[] = [
  ...LADDER_CHECKS,
  ...DASH_CHECKS,
  ...SERVED_CHECKS,
  ...BROWSER_CHECKS,
];
