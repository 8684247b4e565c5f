/** Every decoder that reads what others send. */
import type { Decoder } from '../decoder.ts';
import { documentDecoders } from './documents.ts';
import { httpDecoders } from './http.ts';
import { mediaDecoders } from './media.ts';
import { rtmpDecoders } from './rtmp.ts';
import { srtDecoders } from './srt.ts';
import { textDecoders } from './text.ts';
import { webrtcDecoders } from './webrtc.ts';

export const DECODERS: readonly Decoder[] = [
  ...rtmpDecoders,
  ...mediaDecoders,
  ...textDecoders,
  ...srtDecoders,
  ...webrtcDecoders,
  ...httpDecoders,
  ...documentDecoders,
];
