import { documentDecoders } from './decoders/documents.ts';
import { httpDecoders } from './decoders/http.ts';
import { fuzzEach } from './suite.ts';

fuzzEach([...httpDecoders, ...documentDecoders]);
