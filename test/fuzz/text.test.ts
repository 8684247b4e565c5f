import { textDecoders } from './decoders/text.ts';
import { fuzzEach } from './suite.ts';

fuzzEach(textDecoders);
