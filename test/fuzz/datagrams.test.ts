import { srtDecoders } from './decoders/srt.ts';
import { webrtcDecoders } from './decoders/webrtc.ts';
import { fuzzEach } from './suite.ts';

fuzzEach([...srtDecoders, ...webrtcDecoders]);
