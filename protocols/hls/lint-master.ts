import type { LintLine, Violations } from './violations.ts';

/** Semantics of a master playlist (RFC 8216 section 4.3.4). */
export function lintMaster(lines: readonly LintLine[], found: Violations): void {
  const groups = lintRenditions(lines, found);
  let pending: LintLine | undefined;
  for (const line of lines) {
    if (pending && line.tag === '') pending = undefined;
    else if (line.tag === '') {
      found.must(line.number, 'stream-inf-missing', '4.3.4.2', 'a URI without EXT-X-STREAM-INF before it');
    } else if (pending) {
      streamWithoutUri(pending, found);
      pending = undefined;
    }
    if (line.tag === '#EXT-X-STREAM-INF') {
      pending = line;
      lintStream(line, groups, found);
    } else if (line.tag === '#EXT-X-SESSION-DATA') {
      if (line.attributes.has('VALUE') === line.attributes.has('URI')) {
        found.must(line.number, 'session-data-value', '4.3.4.4', 'not exactly one of VALUE and URI');
      }
    } else if (line.tag === '#EXT-X-SESSION-KEY' && line.attributes.get('METHOD')?.value === 'NONE') {
      found.must(line.number, 'session-key-none', '4.3.4.5', 'METHOD is NONE');
    }
  }
  if (pending) streamWithoutUri(pending, found);
}

function streamWithoutUri(line: LintLine, found: Violations): void {
  found.must(line.number, 'stream-inf-uri', '4.3.4.2', 'EXT-X-STREAM-INF is not followed by a URI line');
}

function lintStream({ number, attributes }: LintLine, groups: ReadonlySet<string>, found: Violations): void {
  if (!attributes.has('CODECS')) {
    found.should(number, 'codecs-missing', '4.3.4.2', 'EXT-X-STREAM-INF has no CODECS');
  }
  const peak = Number(attributes.get('BANDWIDTH')?.value);
  if (Number(attributes.get('AVERAGE-BANDWIDTH')?.value) > peak) {
    found.must(number, 'bandwidth-average', '4.3.4.2', 'AVERAGE-BANDWIDTH is above BANDWIDTH, the peak');
  }
  for (const type of ['AUDIO', 'VIDEO', 'SUBTITLES', 'CLOSED-CAPTIONS']) {
    const group = attributes.get(type);
    if (!group) continue;
    if (type === 'CLOSED-CAPTIONS' && !group.quoted && group.value === 'NONE') continue;
    if (!groups.has(`${type} ${group.value}`)) {
      found.must(
        number,
        'group-missing',
        '4.3.4.2',
        `no EXT-X-MEDIA of ${type} has GROUP-ID "${group.value}"`,
      );
    }
  }
}

/** The groups there are, as `TYPE id`. */
function lintRenditions(lines: readonly LintLine[], found: Violations): Set<string> {
  const groups = new Set<string>();
  const names = new Set<string>();
  const defaults = new Set<string>();
  for (const { number, tag, attributes } of lines) {
    if (tag !== '#EXT-X-MEDIA') continue;
    const value = (name: string) => attributes.get(name)?.value;
    const type = value('TYPE');
    const group = `${type} ${value('GROUP-ID')}`;
    groups.add(group);
    const name = `${group}\n${value('NAME')}`;
    if (names.has(name)) {
      found.must(number, 'rendition-name', '4.3.4.1.1', `NAME "${value('NAME')}" twice in group ${group}`);
    }
    names.add(name);
    if (value('DEFAULT') === 'YES') {
      if (defaults.has(group)) {
        found.must(number, 'rendition-default', '4.3.4.1.1', `more than one DEFAULT=YES in group ${group}`);
      }
      defaults.add(group);
      if (value('AUTOSELECT') === 'NO') {
        found.must(number, 'rendition-autoselect', '4.3.4.1', 'DEFAULT=YES with AUTOSELECT=NO');
      }
    }
    if (type === 'CLOSED-CAPTIONS') {
      if (attributes.has('URI')) found.must(number, 'rendition-uri', '4.3.4.1', 'CLOSED-CAPTIONS with a URI');
      if (!attributes.has('INSTREAM-ID')) {
        found.must(number, 'attribute-missing', '4.3.4.1', 'CLOSED-CAPTIONS without INSTREAM-ID');
      }
    } else if (attributes.has('INSTREAM-ID')) {
      found.must(number, 'rendition-instream-id', '4.3.4.1', `INSTREAM-ID with TYPE ${type}`);
    }
    if (type === 'SUBTITLES' && !attributes.has('URI')) {
      found.must(number, 'attribute-missing', 'bis 4.4.6.1', 'SUBTITLES without URI');
    }
  }
  return groups;
}
