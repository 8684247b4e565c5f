/** Turns what the tests of Playwright found into the results of a run: results.json, report.html, junit.xml, summary.md. */
import { relative } from 'node:path';
import type { Reporter, Suite, TestCase, TestResult } from '@playwright/test/reporter';
import { collectEnvironment } from '../../reports/environment.ts';
import { type BrowserPlay, type Finding, type Results, worstVerdict } from '../../reports/results.ts';
import { writeRun } from '../../reports/write.ts';
import { brokenFindings } from './findings.ts';
import type { BrowserPlan, BrowserRun } from './plan.ts';
import { type BrowserRequest, planOf, theRequest } from './request.ts';
import { OUTCOME, type Outcome, placeOf, titleOf } from './tests.ts';

/** Of a test when the run is interrupted: it was not begun, or not ended. */
const CUT_OFF: readonly (TestResult['status'] | undefined)[] = [undefined, 'skipped', 'interrupted'];

export default class ResultsReporter implements Reporter {
  readonly #request: BrowserRequest = theRequest();
  readonly #plan: BrowserPlan = planOf(this.#request);
  readonly #startedAt = new Date();
  #suite: Suite | undefined;

  printsToStdio(): boolean {
    return true;
  }

  onBegin(_: unknown, suite: Suite): void {
    this.#suite = suite;
  }

  onTestEnd(test: TestCase, result: TestResult): void {
    const outcome = outcomeOf(result);
    const where = test.titlePath().slice(-2).join(', ');
    const seconds = (result.duration / 1000).toFixed(1);
    if (outcome === undefined) {
      process.stdout.write(`error         ${where}  ${seconds} s\n    ${whyOf(result)}\n`);
      return;
    }
    for (const { check, verdict, expected, actual } of outcome.findings) {
      const detail =
        verdict === 'pass' ? `  ${actual}` : `\n    expected  ${expected}\n    actual    ${actual}`;
      process.stdout.write(`${verdict.padEnd(14)}${check}  ${where}  ${seconds} s${detail}\n`);
    }
  }

  onError({ message }: { message?: string }): void {
    process.stderr.write(`${message ?? 'an error of Playwright'}\n`);
  }

  async onEnd({ status }: { status: string }): Promise<void> {
    const interrupted = status === 'interrupted';
    const findings: Finding[] = [];
    const plays: BrowserPlay[] = [];
    const browsers = new Set<string>();
    for (const run of this.#plan.runs) {
      for (const protocol of run.protocols) {
        const result = this.#resultOf(run, protocol);
        const outcome = result && outcomeOf(result);
        if (result === undefined || outcome === undefined) {
          const isCutOff = interrupted && CUT_OFF.includes(result?.status);
          const why = isCutOff ? 'interrupted' : result === undefined ? 'it was not run' : whyOf(result);
          const verdict = isCutOff ? 'inconclusive' : 'error';
          findings.push(...broken(run, protocol, why, verdict, result?.duration ?? 0));
          continue;
        }
        browsers.add(outcome.browser);
        findings.push(...outcome.findings);
        plays.push({ ...outcome.play, artefacts: [...outcome.play.artefacts, ...this.#tracesOf(result)] });
      }
    }
    if (this.#request.named) findings.push(...this.#plan.leftOut.map(cannotRun));
    const browser = [...browsers][0] ?? 'unknown';
    const notes = this.#plan.leftOut.map(({ topology, reason }) => `${topology}, left out: ${reason}`);
    const results: Results = {
      schema: 'liveproof/results@1',
      kind: 'browser',
      verdict: worstVerdict(findings.map(({ verdict }) => verdict)),
      startedAt: this.#startedAt.toISOString(),
      durationMs: Date.now() - this.#startedAt.getTime(),
      interrupted,
      ...(notes.length === 0 ? {} : { notes }),
      command: [...this.#request.command],
      environment: collectEnvironment({ browser }),
      findings,
      browser: { browser, plays },
    };
    await writeRun(this.#request.out, results);
  }

  #resultOf(run: BrowserRun, protocol: string): TestResult | undefined {
    const test = this.#suite
      ?.allTests()
      .find(({ title, parent }) => title === protocol && parent.title === titleOf(run));
    return test?.results.at(-1);
  }

  #tracesOf({ attachments }: TestResult): string[] {
    return attachments.flatMap(({ name, path }) =>
      name === 'trace' && path !== undefined ? [relative(this.#request.out, path)] : [],
    );
  }
}

function outcomeOf({ attachments }: TestResult): Outcome | undefined {
  const body = attachments.find(({ name }) => name === OUTCOME)?.body;
  return body === undefined ? undefined : (JSON.parse(body.toString()) as Outcome);
}

/** Without the colours of a terminal. */
function whyOf({ errors, status }: TestResult): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins an SGR sequence (ECMA-48 8.3.117)
  return errors[0]?.message?.replace(/\u001b\[[0-9;]*m/g, '') ?? `the test is ${status}`;
}

function broken(
  run: BrowserRun,
  protocol: BrowserRun['protocols'][number],
  why: string,
  verdict: 'error' | 'inconclusive',
  durationMs: number,
): Finding[] {
  const found = brokenFindings(placeOf(run, protocol), why, durationMs, verdict);
  const { proof } = run;
  if (proof === undefined) return found;
  return found
    .filter(({ check }) => check.endsWith(`-${proof.requirement}`))
    .map((finding) => ({ ...finding, mutant: proof.mutant }));
}

function cannotRun({ topology, reason }: BrowserPlan['leftOut'][number]): Finding {
  return {
    check: 'lab/up',
    topology,
    engine: 'unknown',
    verdict: 'unsupported',
    expected: 'the cluster can be brought up on this machine',
    actual: reason,
    evidence: [],
    durationMs: 0,
  };
}
