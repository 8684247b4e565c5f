/** Reads the text format of Prometheus, strictly: a line that is neither a comment nor a sample is an error. */
import assert from 'node:assert/strict';

const LABEL = /[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"/;
const SAMPLE = new RegExp(`^([a-z_0-9]+(?:\\{${LABEL.source}(?:,${LABEL.source})*\\})?) (\\S+)$`);

/** Values by name and labels, as they are written. */
export function readMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-z0-9_]+ \S/.test(line)) continue;
    const match = SAMPLE.exec(line);
    assert.ok(match, `not a sample: ${line}`);
    assert.ok(!samples.has(match[1]!), `twice: ${match[1]}`);
    samples.set(match[1]!, Number(match[2]));
    assert.ok(!Number.isNaN(samples.get(match[1]!)), line);
  }
  return samples;
}
