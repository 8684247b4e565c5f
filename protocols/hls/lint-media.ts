import { FORMS } from './grammar.ts';
import { type LintLine, shown, type Violations } from './violations.ts';

/** Tags that say something of the segment after them. */
const SEGMENT_TAGS = new Set(['#EXTINF', '#EXT-X-BYTERANGE', '#EXT-X-GAP', '#EXT-X-PROGRAM-DATE-TIME']);

/** Semantics of a media playlist (RFC 8216 sections 4.3.2 and 4.3.3, and the bis draft's low-latency tags). */
export function lintMedia(lines: readonly LintLine[], found: Violations): void {
  lintTarget(lines, found);
  lintSegments(lines, found);
  lintSequenceTags(lines, found);
  for (const line of lines) {
    if (line.tag === '#EXT-X-KEY') lintKey(line, found);
    if (line.tag === '#EXT-X-DATERANGE') lintDateRange(line, found);
  }
  const dateRange = lines.find(({ tag }) => tag === '#EXT-X-DATERANGE');
  if (dateRange && !lines.some(({ tag }) => tag === '#EXT-X-PROGRAM-DATE-TIME')) {
    found.must(
      dateRange.number,
      'date-range-clock',
      '4.3.2.7',
      'EXT-X-DATERANGE, no EXT-X-PROGRAM-DATE-TIME',
    );
  }
  lintLowLatency(lines, found);
}

function lintTarget(lines: readonly LintLine[], found: Violations): void {
  const target = lines.find(({ tag }) => tag === '#EXT-X-TARGETDURATION');
  if (!target) {
    found.must(0, 'target-duration-missing', '4.3.3.1', 'no EXT-X-TARGETDURATION');
    return;
  }
  for (const { number, tag, value } of lines) {
    if (tag !== '#EXTINF') continue;
    const duration = Number.parseFloat(value);
    if (Math.round(duration) > Number(target.value)) {
      const says = `${duration} s rounds to more than the target duration ${target.value}`;
      found.must(number, 'target-duration-exceeded', '4.3.3.1', says);
    }
  }
}

function lintSegments(lines: readonly LintLine[], found: Violations): void {
  const pending = new Map<string, number>();
  let range: LintLine | undefined;
  let rangeOf: string | undefined;
  for (const line of lines) {
    if (SEGMENT_TAGS.has(line.tag)) {
      if (pending.has(line.tag)) {
        found.must(line.number, 'segment-tag-repeated', '4.3.2', `${line.tag} twice before one URI`);
      }
      pending.set(line.tag, line.number);
      if (line.tag === '#EXT-X-BYTERANGE') range = line;
    } else if (line.tag === '') {
      if (!pending.has('#EXTINF')) {
        found.must(line.number, 'extinf-missing', '4.3.2.1', `no EXTINF before ${shown(line.value)}`);
      }
      if (range && !range.value.includes('@') && rangeOf !== line.value) {
        const says = 'a byte range without offset, and none of the same resource before it';
        found.must(range.number, 'byte-range-offset', '4.3.2.2', says);
      }
      rangeOf = range ? line.value : undefined;
      range = undefined;
      pending.clear();
    }
  }
  for (const [tag, number] of pending) {
    if (tag === '#EXTINF') found.must(number, 'extinf-uri', '4.3.2.1', 'EXTINF without a URI after it');
    else found.should(number, 'segment-tag-uri', '4.3.2', `${tag} without a URI after it`);
  }
}

function lintSequenceTags(lines: readonly LintLine[], found: Violations): void {
  let segment = false;
  let discontinuity = false;
  for (const { number, tag } of lines) {
    segment ||= tag === '';
    discontinuity ||= tag === '#EXT-X-DISCONTINUITY';
    if (tag === '#EXT-X-MEDIA-SEQUENCE' && segment) {
      found.must(number, 'media-sequence-late', '4.3.3.2', 'EXT-X-MEDIA-SEQUENCE after the first segment');
    }
    if (tag === '#EXT-X-DISCONTINUITY-SEQUENCE' && (segment || discontinuity)) {
      const says = 'EXT-X-DISCONTINUITY-SEQUENCE after the first segment or discontinuity';
      found.must(number, 'discontinuity-sequence-late', '4.3.3.3', says);
    }
  }
}

function lintKey({ number, attributes }: LintLine, found: Violations): void {
  const method = attributes.get('METHOD')?.value;
  if (method === undefined) return;
  if (method === 'NONE') {
    if (attributes.size > 1) found.must(number, 'key-none', '4.3.2.4', 'METHOD=NONE with other attributes');
  } else if (!attributes.has('URI')) {
    found.must(number, 'attribute-missing', '4.3.2.4', `METHOD=${method} without URI`);
  }
}

function lintDateRange({ number, attributes }: LintLine, found: Violations): void {
  if (!attributes.has('START-DATE')) {
    found.must(number, 'attribute-missing', '4.3.2.7', '#EXT-X-DATERANGE has no START-DATE');
  }
  if (!attributes.has('END-ON-NEXT')) return;
  if (!attributes.has('CLASS') || attributes.has('DURATION') || attributes.has('END-DATE')) {
    found.must(number, 'date-range-next', '4.3.2.7', 'END-ON-NEXT needs CLASS and no DURATION or END-DATE');
  }
}

function lintLowLatency(lines: readonly LintLine[], found: Violations): void {
  const attribute = (tag: string, name: string): number | undefined => {
    const value = lines.find((line) => line.tag === tag)?.attributes.get(name)?.value;
    return value !== undefined && FORMS.float.test(value) ? Number(value) : undefined;
  };
  const target = attribute('#EXT-X-PART-INF', 'PART-TARGET');
  for (const { number, tag, attributes } of lines) {
    if (tag !== '#EXT-X-PART') continue;
    if (target === undefined) {
      found.must(number, 'part-inf-missing', 'bis 4.4.3.7', 'EXT-X-PART without EXT-X-PART-INF');
      break;
    }
    if (Number(attributes.get('DURATION')?.value) > target) {
      found.must(number, 'part-target-exceeded', 'bis 4.4.4.9', `a part longer than PART-TARGET ${target}`);
    }
  }
  const control = lines.find(({ tag }) => tag === '#EXT-X-SERVER-CONTROL');
  const duration = Number(lines.find(({ tag }) => tag === '#EXT-X-TARGETDURATION')?.value);
  const holdBack = attribute('#EXT-X-SERVER-CONTROL', 'HOLD-BACK');
  const partHoldBack = attribute('#EXT-X-SERVER-CONTROL', 'PART-HOLD-BACK');
  const at = control?.number ?? 0;
  if (holdBack !== undefined && holdBack < 3 * duration) {
    found.must(at, 'hold-back', 'bis 4.4.3.8', `HOLD-BACK ${holdBack} is below 3 target durations`);
  }
  if (target === undefined) return;
  if (partHoldBack === undefined) {
    found.must(
      at,
      'part-hold-back',
      'bis 4.4.3.8',
      'EXT-X-PART-INF, no PART-HOLD-BACK in EXT-X-SERVER-CONTROL',
    );
  } else if (partHoldBack < 2 * target) {
    found.must(at, 'part-hold-back', 'bis 4.4.3.8', `PART-HOLD-BACK ${partHoldBack} is below 2 part targets`);
  }
}
