/** Documents that people and other programs write for us. */
import { RegistrationError, readRegistration } from '../../../lab/builtin/proxy/registration.ts';
import { parseQuery } from '../../../lab/builtin/stream-manager/query.ts';
import {
  BadReportError,
  parseHook,
  parseStreamsReport,
} from '../../../lab/builtin/stream-manager/reports.ts';
import { LabError } from '../../../lab/errors.ts';
import { parseTarget } from '../../../lab/runners/target.ts';
import { Arrival, type Decoder, utf8 } from '../decoder.ts';
import { NUMBERS } from './text.ts';

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

/** As short as a target can be: YAML is slow to read. */
const TARGET = `schema: liveproof/target@1
name: s
topology: nginx-rtmp
nodes:
  - {name: live, host: 127.0.0.1, ports: {rtmp: 1935, http: 8080}}
  - name: web
    host: 127.0.0.1
    ports: {http: 8081}
    controls: {kill: [kill, a], restart: [a]}
`;

const target: Decoder = {
  name: 'target',
  arrival: Arrival.whole,
  seeds: () => [new Uint8Array(Buffer.from(TARGET))],
  tokens: [
    ...NUMBERS,
    '&a ',
    '*a',
    '[',
    '{',
    '}',
    '- ',
    '? ',
    ': ',
    '|',
    '>',
    '!!binary ',
    '<<: ',
    '"\\x',
    '\t',
    '---\n',
    '%YAML 9\n',
  ],
  errors: [LabError],
  decode(pieces) {
    parseTarget(utf8(pieces), 'target.yaml');
  },
};

const JSON_TOKENS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  'null',
  '-1',
  '1e999',
  '\\u0000',
  '\\ud800',
  '"__proto__":{},',
  '[[[[',
];

const managerReport: Decoder = {
  name: 'manager-report',
  arrival: Arrival.whole,
  seeds: () =>
    [
      '{"origin":{"rtmp":"10.0.0.7:1935","api":"1985","service":"s","expiresMs":15000},"streams":[{"app":"live","stream":"x"}],"complete":true}',
      '{"action":"on_publish","client_id":"c","service_id":"s","vhost":"v","app":"live","stream":"x"}',
    ].map(bytesOf),
  tokens: JSON_TOKENS,
  errors: [BadReportError],
  decode(pieces) {
    const body = utf8(pieces);
    if (body.includes('action'))
      parseHook(body, parseQuery(`/?rtmp=1935&api=${body}`), 'on_publish', '127.0.0.1');
    else parseStreamsReport(body, '127.0.0.1');
  },
};

const proxyRegistration: Decoder = {
  name: 'proxy-registration',
  arrival: Arrival.whole,
  seeds: () => [
    bytesOf(
      '{"device_id":"d","ip":"10.0.0.1","server":"vid-1","service":"s","pid":"7","rtmp":["1935"],"http":["tcp://:8080"],"api":["tcp://10.0.0.1:1985"],"srt":["udp://0.0.0.0:10080"]}',
    ),
  ],
  tokens: JSON_TOKENS,
  errors: [RegistrationError],
  decode(pieces) {
    readRegistration(utf8(pieces), new Set());
  },
};

export const documentDecoders = [target, managerReport, proxyRegistration];
