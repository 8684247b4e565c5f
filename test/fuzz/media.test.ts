import { mediaDecoders } from './decoders/media.ts';
import { rtmpDecoders } from './decoders/rtmp.ts';
import { fuzzEach } from './suite.ts';

fuzzEach([...rtmpDecoders, ...mediaDecoders]);
