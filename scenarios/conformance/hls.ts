/** HLS: playlists, segments, and what stands between them and their players. */
import type { Check } from '../check.ts';
import { throughTheBalancer } from './hls-balancer.ts';
import { continuity } from './hls-continuity.ts';
import { HLS_DELIVERY_CHECKS } from './hls-delivery.ts';
import { HLS_PLAYLIST_CHECKS } from './hls-playlists.ts';
import { HLS_SEGMENT_CHECKS } from './hls-segments.ts';

export const HLS_CHECKS: readonly Check[] = [
  ...HLS_PLAYLIST_CHECKS,
  ...HLS_SEGMENT_CHECKS,
  continuity,
  ...HLS_DELIVERY_CHECKS,
  throughTheBalancer,
];
