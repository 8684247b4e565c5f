/** WebRTC: signalling over WHIP and WHEP, and media. */
import type { Check } from '../check.ts';
import { WEBRTC_MEDIA } from './webrtc-media.ts';
import { WEBRTC_PUBLISHERS } from './webrtc-publishers.ts';
import { WEBRTC_BAD_OFFERS, WEBRTC_SIGNALLING } from './webrtc-signalling.ts';

export const WEBRTC_CHECKS: readonly Check[] = [
  ...WEBRTC_SIGNALLING,
  ...WEBRTC_MEDIA,
  ...WEBRTC_PUBLISHERS,
  ...WEBRTC_BAD_OFFERS,
];
