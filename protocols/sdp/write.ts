/** Writes session descriptions (RFC 8866). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import type {
  SdpAttribute,
  SdpCandidate,
  SdpMedia,
  SdpTransport,
  SessionDescription,
} from './description.ts';

/**
 * The description as text with CRLF; parseSdp of it gives the same description.
 * @throws ProtocolError SdpValue for a value with a line break in it.
 */
export function writeSdp(session: SessionDescription): string {
  const lines = ['v=0', `o=${session.origin}`, `s=${session.name}`];
  if (session.connection !== undefined) lines.push(`c=${session.connection}`);
  lines.push('t=0 0');
  for (const mids of session.bundles) lines.push(`a=group:${['BUNDLE', ...mids].join(' ')}`);
  if (session.iceLite) lines.push('a=ice-lite');
  if (session.iceOptions.length > 0) lines.push(`a=ice-options:${session.iceOptions.join(' ')}`);
  lines.push(...transportLines(session), ...attributeLines(session.attributes));
  for (const media of session.media) lines.push(...mediaLines(media));
  const broken = lines.find((line) => /[\r\n]/.test(line));
  if (broken !== undefined) {
    throw new ProtocolError(ProtocolErrorCode.SdpValue, 'a value on one line', JSON.stringify(broken));
  }
  return `${lines.join('\r\n')}\r\n`;
}

function mediaLines(media: SdpMedia): string[] {
  const lines = [`m=${[media.kind, media.port, media.protocol, ...media.formats].join(' ')}`];
  if (media.connection !== undefined) lines.push(`c=${media.connection}`);
  if (media.mid !== undefined) lines.push(`a=mid:${media.mid}`);
  lines.push(...transportLines(media));
  if (media.rtcpMux) lines.push('a=rtcp-mux');
  if (media.rtcpRsize) lines.push('a=rtcp-rsize');
  for (const { id, uri } of media.extmap) lines.push(`a=extmap:${id} ${uri}`);
  if (media.msid !== undefined) lines.push(`a=msid:${media.msid}`);
  for (const { payloadType, name, clockRate, channels, fmtp, feedback } of media.codecs) {
    lines.push(
      `a=rtpmap:${payloadType} ${[name, clockRate, ...(channels === undefined ? [] : [channels])].join('/')}`,
    );
    for (const kind of feedback) lines.push(`a=rtcp-fb:${payloadType} ${kind}`);
    if (fmtp !== undefined) lines.push(`a=fmtp:${payloadType} ${fmtp}`);
  }
  for (const { ssrc, cname } of media.ssrcs) {
    lines.push(cname === undefined ? `a=ssrc:${ssrc}` : `a=ssrc:${ssrc} cname:${cname}`);
  }
  lines.push(...attributeLines(media.attributes));
  for (const candidate of media.candidates) lines.push(`a=candidate:${candidateText(candidate)}`);
  return lines;
}

function transportLines({ iceUfrag, icePwd, fingerprints, setup, direction }: SdpTransport): string[] {
  return [
    ...(iceUfrag === undefined ? [] : [`a=ice-ufrag:${iceUfrag}`]),
    ...(icePwd === undefined ? [] : [`a=ice-pwd:${icePwd}`]),
    ...fingerprints.map(({ algorithm, value }) => `a=fingerprint:${algorithm} ${value}`),
    ...(setup === undefined ? [] : [`a=setup:${setup}`]),
    ...(direction === undefined ? [] : [`a=${direction}`]),
  ];
}

function attributeLines(attributes: readonly SdpAttribute[]): string[] {
  return attributes.map(({ name, value }) => (value === undefined ? `a=${name}` : `a=${name}:${value}`));
}

/** The value of a candidate line, as trickle ICE sends it, too. */
export function candidateText(candidate: SdpCandidate): string {
  const { foundation, component, transport, priority, address, port, type, extensions } = candidate;
  const rest = extensions.flatMap(({ name, value }) => [name, value]);
  return [foundation, component, transport, priority, address, port, 'typ', type, ...rest].join(' ');
}
