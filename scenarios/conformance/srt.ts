/** SRT: the handshake, what is delivered and when, and callers who mean no good or vanish. */
import type { Check } from '../check.ts';
import { SRT_DELIVERY } from './srt-delivery.ts';
import { SRT_HANDSHAKES } from './srt-handshake.ts';
import { SRT_OPEN } from './srt-open.ts';
import { SRT_OTHERS } from './srt-others.ts';

export const SRT_CHECKS: readonly Check[] = [...SRT_HANDSHAKES, ...SRT_OPEN, ...SRT_DELIVERY, ...SRT_OTHERS];
