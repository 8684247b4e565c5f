/** Reads session descriptions (RFC 8866), as lenient as browsers are: unknown lines and attributes are kept or skipped. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import {
  Direction,
  SDP_LIMITS,
  type SdpAttribute,
  type SdpCandidate,
  type SdpCodec,
  type SdpFingerprint,
  type SdpLimits,
  type SdpMedia,
  type SdpTransport,
  type SessionDescription,
} from './description.ts';

/** Static payload types that WebRTC knows (RFC 3551 section 6): they need no rtpmap. */
const STATIC: Readonly<Record<number, { name: string; clockRate: number }>> = {
  0: { name: 'PCMU', clockRate: 8000 },
  8: { name: 'PCMA', clockRate: 8000 },
  9: { name: 'G722', clockRate: 8000 },
};

const NONE: readonly string[] = [];

class Section {
  connection: string | undefined;
  readonly #all: SdpAttribute[] = [];
  /** Their values; '' for one without. */
  readonly #byName = new Map<string, string[]>();
  /** Of those that are read into fields: what is left is `attributes`. */
  readonly #read = new Set<string>();

  add(attribute: SdpAttribute): void {
    this.#all.push(attribute);
    const { name, value = '' } = attribute;
    const values = this.#byName.get(name);
    if (values === undefined) this.#byName.set(name, [value]);
    else values.push(value);
  }

  /** The value of the first one; '' for one without a value. */
  one(name: string): string | undefined {
    return this.many(name)[0];
  }

  many(name: string): readonly string[] {
    this.#read.add(name);
    return this.#byName.get(name) ?? NONE;
  }

  has(name: string): boolean {
    return this.one(name) !== undefined;
  }

  rest(): SdpAttribute[] {
    return this.#all.filter(({ name }) => !this.#read.has(name));
  }
}

/**
 * @param limits what is left out is that of SDP_LIMITS.
 * @throws ProtocolError SdpSize, SdpLine, SdpValue
 */
export function parseSdp(text: string, limits: Partial<SdpLimits> = {}): SessionDescription {
  const { maxLength, maxMedia, maxLines } = { ...SDP_LIMITS, ...limits };
  if (text.length > maxLength) throw size(`at most ${maxLength} characters`, text.length);
  const lines = text.split(/\r?\n/);
  while (lines.at(-1) === '') lines.pop();
  if (lines.length > maxLines) throw size(`at most ${maxLines} lines`, lines.length);
  if (lines[0] !== 'v=0') throw line('v=0 first', lines[0] ?? '');
  const session = new Section();
  const media: { section: Section; value: string }[] = [];
  let origin: string | undefined;
  let name: string | undefined;
  let section = session;
  for (const text of lines.slice(1)) {
    const type = text[0];
    if (type === undefined || text[1] !== '=' || !/[a-z]/.test(type)) throw line('<type>=<value>', text);
    const value = text.slice(2);
    if (type === 'm') {
      if (media.length === maxMedia) throw size(`at most ${maxMedia} media descriptions`, media.length + 1);
      section = new Section();
      media.push({ section, value });
    } else if (type === 'a') section.add(attribute(value));
    else if (type === 'c') section.connection = value;
    else if (type === 'o' && section === session) origin = value;
    else if (type === 's' && section === session) name = value;
    else if ('vost'.includes(type) && section !== session) throw line('it before the first m=', text);
  }
  if (origin === undefined) throw line('an o= line', 'none');
  if (name === undefined) throw line('an s= line', 'none');
  const groups = session.many('group');
  const bundles = groups.filter((group) => /^BUNDLE(?: |$)/.test(group));
  const others = groups.filter((group) => !/^BUNDLE(?: |$)/.test(group));
  const transport = readTransport(session);
  return {
    origin,
    name,
    ...(session.connection !== undefined && { connection: session.connection }),
    bundles: bundles.map((group) => words(group).slice(1)),
    iceLite: session.has('ice-lite'),
    iceOptions: words(session.one('ice-options') ?? ''),
    ...transport,
    media: media.map(({ section, value }) => readMedia(section, value)),
    attributes: [...others.map((value) => ({ name: 'group', value })), ...session.rest()],
  };
}

function attribute(text: string): SdpAttribute {
  const colon = text.indexOf(':');
  const name = colon < 0 ? text : text.slice(0, colon);
  if (name === '' || /\s/.test(name)) throw line('a=<name>[:<value>]', `a=${text}`);
  return colon < 0 ? { name } : { name, value: text.slice(colon + 1) };
}

function readTransport(section: Section): SdpTransport {
  const iceUfrag = section.one('ice-ufrag');
  const icePwd = section.one('ice-pwd');
  const setup = section.one('setup');
  const direction = Object.values(Direction)
    .filter((name) => section.has(name))
    .at(-1);
  return {
    ...(iceUfrag !== undefined && { iceUfrag }),
    ...(icePwd !== undefined && { icePwd }),
    ...(setup !== undefined && { setup }),
    ...(direction !== undefined && { direction }),
    fingerprints: section.many('fingerprint').map(readFingerprint),
  };
}

function readFingerprint(text: string): SdpFingerprint {
  const match = /^(\S+) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*)\s*$/.exec(text);
  if (match === null) throw value('a=fingerprint:<hash> <XX:XX…>', text);
  return { algorithm: match[1]!.toLowerCase(), value: match[2]!.toUpperCase() };
}

function readMedia(section: Section, text: string): SdpMedia {
  const match = /^(\S+) (\d{1,5})(?:\/\d+)? (\S+)((?: \S+)*) *$/.exec(text);
  if (match === null || Number(match[2]) > 0xffff) {
    throw value('m=<media> <port> <protocol> <formats>', text);
  }
  const formats = words(match[4]!);
  const mid = section.one('mid');
  const msid = section.one('msid');
  const ssrcs = readSsrcs(section.many('ssrc'));
  const rtp = match[3]!.includes('RTP/');
  return {
    kind: match[1]!,
    port: Number(match[2]),
    protocol: match[3]!,
    formats,
    ...(section.connection !== undefined && { connection: section.connection }),
    ...(mid !== undefined && { mid }),
    rtcpMux: section.has('rtcp-mux'),
    rtcpRsize: section.has('rtcp-rsize'),
    candidates: section.many('candidate').map(parseCandidate),
    codecs: rtp ? readCodecs(section, formats) : [],
    extmap: section.many('extmap').map(readExtmap),
    ssrcs,
    ...(msid !== undefined && { msid }),
    ...readTransport(section),
    attributes: section.rest(),
  };
}

function readCodecs(section: Section, formats: readonly string[]): SdpCodec[] {
  const maps = byPayloadType(section.many('rtpmap'));
  const fmtps = byPayloadType(section.many('fmtp'));
  const feedback = section
    .many('rtcp-fb')
    .map((text) => /^(\d{1,3}|\*) (.+)$/.exec(text) ?? bad('rtcp-fb', text));
  return formats.flatMap((format) => {
    const payloadType = Number(format);
    if (!/^\d{1,3}$/.test(format) || payloadType > 127) throw value('a payload type of 0 to 127', format);
    const map = maps.get(payloadType);
    const fmtp = fmtps.get(payloadType);
    const known = map === undefined ? STATIC[payloadType] : readRtpmap(map);
    if (known === undefined) return [];
    return [
      {
        payloadType,
        ...known,
        ...(fmtp !== undefined && { fmtp }),
        feedback: feedback
          .filter((match) => match[1] === '*' || match[1] === format)
          .map((match) => match[2]!),
      },
    ];
  });
}

function byPayloadType(values: readonly string[]): Map<number, string> {
  return new Map(
    values.map((text) => {
      const match = /^(\d{1,3}) (.*)$/.exec(text) ?? bad('<payload type> <value>', text);
      return [Number(match[1]), match[2]!];
    }),
  );
}

function readRtpmap(text: string): Pick<SdpCodec, 'name' | 'clockRate' | 'channels'> {
  const match =
    /^([^\s/]+)\/(\d{1,9})(?:\/(\d{1,3}))? *$/.exec(text) ?? bad('<name>/<clock rate>[/<channels>]', text);
  const channels = match[3];
  return {
    name: match[1]!,
    clockRate: Number(match[2]),
    ...(channels !== undefined && { channels: Number(channels) }),
  };
}

function readExtmap(text: string): { id: number; uri: string } {
  const match = /^(\d{1,5})(?:\/\w+)? (\S+)/.exec(text) ?? bad('<id>[/<direction>] <uri>', text);
  return { id: Number(match[1]), uri: match[2]! };
}

function readSsrcs(values: readonly string[]): SdpMedia['ssrcs'] {
  const found = new Map<number, string | undefined>();
  for (const text of values) {
    const match = /^(\d{1,10})(?: ([^\s:]+)(?::(.*))?)?/.exec(text) ?? bad('<ssrc> <attribute>', text);
    const ssrc = Number(match[1]);
    if (ssrc > 0xffffffff) throw value('an SSRC of 32 bits', text);
    found.set(ssrc, match[2] === 'cname' ? match[3] : found.get(ssrc));
  }
  return [...found].map(([ssrc, cname]) => ({ ssrc, ...(cname !== undefined && { cname }) }));
}

/** @throws ProtocolError SdpValue */
export function parseCandidate(text: string): SdpCandidate {
  const parts = words(text);
  const [foundation, component, transport, priority, address, port, typ, type, ...rest] = parts;
  const numbers = [component, priority, port].every((part) => /^\d{1,10}$/.test(part ?? ''));
  if (!numbers || typ !== 'typ' || type === undefined || Number(port) > 0xffff) {
    throw value(
      'a=candidate:<foundation> <component> <transport> <priority> <address> <port> typ <type>',
      text,
    );
  }
  const extensions: { name: string; value: string }[] = [];
  for (let at = 0; at + 1 < rest.length; at += 2) extensions.push({ name: rest[at]!, value: rest[at + 1]! });
  return {
    foundation: foundation!,
    component: Number(component),
    transport: transport!.toLowerCase(),
    priority: Number(priority),
    address: address!,
    port: Number(port),
    type,
    extensions,
  };
}

function words(text: string): string[] {
  return text.split(' ').filter((word) => word !== '');
}

function bad(expected: string, actual: string): never {
  throw value(expected, actual);
}

function value(expected: string, actual: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.SdpValue, expected, JSON.stringify(actual.slice(0, 80)));
}

function line(expected: string, actual: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.SdpLine, expected, JSON.stringify(actual.slice(0, 80)));
}

function size(expected: string, actual: number): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.SdpSize, expected, String(actual));
}
