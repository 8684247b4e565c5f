/** What is wrong with a playlist by the letter of RFC 8216 (`bis …`: draft-pantos-hls-rfc8216bis). */
import { type Attribute, scanAttributes } from './attributes.ts';
import { type AttributeRule, FORMS, TAGS, type TagRule } from './grammar.ts';
import { defaultPlaylistLimits, type PlaylistLimits, tooLarge } from './lines.ts';
import { lintMaster } from './lint-master.ts';
import { lintMedia } from './lint-media.ts';
import { kindOf } from './tags.ts';
import { type LintLine, shown, type Violation, Violations } from './violations.ts';

export { lintReload } from './lint-reload.ts';
export type { Violation } from './violations.ts';

/**
 * Every violation in the order of lines. The text may be anything; only its size throws.
 * @throws ProtocolError HlsSize when it is longer, or has more lines, than the limit
 */
export function lintPlaylist(text: string, limits: Partial<PlaylistLimits> = {}): Violation[] {
  const { maxLength, maxLines } = { ...defaultPlaylistLimits, ...limits };
  if (text.length > maxLength) throw tooLarge(`at most ${maxLength} characters`, text.length);
  const written = text.split('\n', maxLines + 1);
  if (written.length > maxLines) throw tooLarge(`at most ${maxLines} lines`, 'more');

  const found = new Violations();
  const lines: LintLine[] = [];
  for (const [index, line] of written.entries()) lintLine(index + 1, line, lines, found);
  if (lines[0]?.tag !== '#EXTM3U' || !written[0]!.replace(/^\ufeff/, '').startsWith('#EXTM3U')) {
    found.must(1, 'extm3u-first', '4.3.1.1', 'the first line is not #EXTM3U');
  }

  const repeated = new Set<string>();
  const kinds = new Set<string>();
  for (const { number, tag } of lines) {
    const rule = tagRule(tag);
    const kind = kindOf(tag);
    if (kind) kinds.add(kind);
    if (!rule || rule.many) continue;
    if (repeated.has(tag)) found.must(number, 'tag-repeated', rule.section, `${tag} more than once`);
    repeated.add(tag);
  }
  if (kinds.size === 2) {
    found.must(0, 'kind-mixed', '4.1', 'tags of a master playlist and of a media playlist');
  } else if (kinds.size === 0) {
    found.must(0, 'kind-none', '4.1', 'neither a tag of a master playlist nor one of a media playlist');
  }
  lintVersion(lines, found);
  if (kinds.has('media')) lintMedia(lines, found);
  if (kinds.has('master')) lintMaster(lines, found);
  return found.list.sort((a, b) => a.line - b.line);
}

function tagRule(tag: string): TagRule | undefined {
  return Object.hasOwn(TAGS, tag) ? TAGS[tag] : undefined;
}

function lintLine(number: number, written: string, lines: LintLine[], found: Violations): void {
  let line = written.endsWith('\r') ? written.slice(0, -1) : written;
  if (number === 1 && line.charCodeAt(0) === 0xfeff) {
    found.must(1, 'text-bom', '4.1', 'a byte order mark');
    line = line.slice(1);
  }
  if (/\p{Cc}/u.test(line)) found.must(number, 'text-control', '4.1', 'a control character');
  if (line.includes('\ufffd')) found.must(number, 'text-utf8', '4.1', 'bytes that are not UTF-8');
  const text = line.trim();
  if (text !== line) found.must(number, 'text-white-space', '4.1', 'white space at an end of the line');
  if (text === '') return;
  if (!text.startsWith('#')) {
    if (!isUri(text)) found.must(number, 'uri-form', '4.1', `${shown(text)} is no URI (RFC 3986)`);
    lines.push({ number, tag: '', value: text, attributes: new Map() });
    return;
  }
  if (!text.startsWith('#EXT')) return;
  const colon = text.indexOf(':');
  const tag = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? '' : text.slice(colon + 1);
  const rule = tagRule(tag);
  lines.push({
    number,
    tag,
    value,
    attributes: rule ? lintValue(number, tag, value, rule, found) : new Map(),
  });
}

function lintValue(
  number: number,
  tag: string,
  value: string,
  rule: TagRule,
  found: Violations,
): ReadonlyMap<string, Attribute> {
  if (rule.value !== 'attributes') {
    if (!FORMS[rule.value].test(value)) {
      found.must(
        number,
        'tag-value',
        rule.section,
        `${tag}: ${shown(value)} is not of the form ${rule.value}`,
      );
    } else if (rule.value === 'date') lintDate(number, value, found);
    return new Map();
  }
  const { attributes, faults, fatal } = scanAttributes(value);
  for (const fault of fatal === undefined ? faults : [...faults, fatal]) {
    found.must(number, 'attribute-list', '4.2', `${tag}: ${fault}`);
  }
  const byName = new Map(attributes.map((attribute) => [attribute.name, attribute]));
  for (const [name, expected] of Object.entries(rule.attributes ?? {})) {
    const attribute = byName.get(name);
    if (attribute) lintAttribute(number, tag, attribute, expected, rule.section, found);
    else if (expected.required) {
      found.must(number, 'attribute-missing', rule.section, `${tag} has no ${name}`);
    }
  }
  return byName;
}

function lintAttribute(
  number: number,
  tag: string,
  { name, value, quoted }: Attribute,
  rule: AttributeRule,
  section: string,
  found: Violations,
): void {
  if (quoted !== (rule.quoted ?? false)) {
    found.must(number, 'attribute-form', section, `${tag}: ${name} is ${quoted ? '' : 'not '}quoted`);
  } else if (!FORMS[rule.form].test(value) || (rule.values && !rule.values.includes(value))) {
    const expected = rule.values?.join(' or ') ?? `of the form ${rule.form}`;
    found.must(number, 'attribute-form', section, `${tag}: ${name} ${shown(value)} is not ${expected}`);
  }
  if (/(?:^|-)URI$/.test(name)) {
    if (value === '') found.must(number, 'uri-empty', section, `${tag}: ${name} is empty`);
    else if (!isUri(value)) found.must(number, 'uri-form', section, `${tag}: ${shown(value)} is no URI`);
  }
}

/** ISO 8601 has a time zone either with all its colons or a date and time without any separator. */
function lintDate(number: number, value: string, found: Violations): void {
  const says = `${value} has `;
  if (/[+-]\d{4}$/.test(value)) {
    found.should(number, 'date-zone-form', '4.3.2.6', `${says}a time zone without colon (ISO 8601 4.2.5.2)`);
  } else if (!/(?:Z|[+-]\d{2}(?::\d{2})?)$/.test(value)) {
    found.should(number, 'date-zone', '4.3.2.6', `${says}no time zone`);
  }
  if (!/:\d{2}[.,]\d{3}/.test(value))
    found.should(number, 'date-fraction', '4.3.2.6', `${says}no milliseconds`);
}

/** Section 7: the version that what is used requires. Without EXT-X-VERSION it is 1. */
function lintVersion(lines: readonly LintLine[], found: Violations): void {
  const written = lines.find(({ tag }) => tag === '#EXT-X-VERSION');
  const version = written ? Number(written.value) : 1;
  const iFramesOnly = lines.some(({ tag }) => tag === '#EXT-X-I-FRAMES-ONLY');
  const said = new Set<string>();
  for (const line of lines) {
    const [needed, what] = requiredVersion(line, iFramesOnly);
    if (version >= needed || said.has(what)) continue;
    said.add(what);
    const section = needed > 7 ? 'bis 8' : '7';
    found.must(line.number, 'version-too-low', section, `${what} needs version ${needed}, not ${version}`);
  }
  const cache = lines.find(({ tag }) => tag === '#EXT-X-ALLOW-CACHE');
  if (cache && version >= 7) {
    found.should(cache.number, 'tag-removed', '7', 'EXT-X-ALLOW-CACHE was removed in version 7');
  }
}

function requiredVersion({ tag, value, attributes }: LintLine, iFramesOnly: boolean): [number, string] {
  switch (tag) {
    case '#EXTINF':
      return /^\d*\.\d/.test(value) ? [3, 'a duration with decimals'] : [1, tag];
    case '#EXT-X-BYTERANGE':
    case '#EXT-X-I-FRAMES-ONLY':
      return [4, tag];
    case '#EXT-X-KEY':
      if (attributes.has('KEYFORMAT') || attributes.has('KEYFORMATVERSIONS')) return [5, 'KEYFORMAT'];
      return attributes.has('IV') ? [2, 'IV'] : [1, tag];
    case '#EXT-X-MAP':
      return [iFramesOnly ? 5 : 6, tag];
    case '#EXT-X-MEDIA':
      return attributes.get('INSTREAM-ID')?.value.startsWith('SERVICE')
        ? [7, 'INSTREAM-ID SERVICE']
        : [1, tag];
    case '#EXT-X-DEFINE':
      return [8, tag];
    case '#EXT-X-SKIP':
      return [9, tag];
    default:
      return [1, tag];
  }
}

/** Only characters that RFC 3986 has, or that an IRI (RFC 3987) adds. */
function isUri(text: string): boolean {
  return /^[^\s"<>\\^`{|}\p{Cc}]+$/u.test(text) && !/%(?![0-9A-Fa-f]{2})/.test(text);
}
