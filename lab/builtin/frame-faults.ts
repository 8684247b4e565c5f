/** The mutants that spoil frames on their way through a node. */
import { MediaType } from '../../protocols/media.ts';
import { Frame } from './frame.ts';
import type { Mutants } from './mutants.ts';

type Pass = (frame: Frame) => void;
type Fault = (frame: Frame, pass: Pass) => void;

/** Defects repeat after this many video frames. */
const EVERY = 40;
const RESET_EVERY = 50;

/** All frame mutants that are on, one after the other; undefined when none is, so that nothing is paid for. */
export function frameFaults(mutants: Mutants): Fault | undefined {
  const faults: Fault[] = [];
  if (mutants.has('media-drops-audio')) faults.push(dropAudio);
  if (mutants.has('media-drops-frames')) faults.push(everyNth(EVERY, () => {}));
  if (mutants.has('media-doubles-frames')) faults.push(everyNth(EVERY, passTwice));
  if (mutants.has('media-flips-byte')) faults.push(everyNth(EVERY, (frame, pass) => pass(changeByte(frame))));
  if (mutants.has('media-swaps-frames')) faults.push(delayFrames());
  if (mutants.has('media-resets-timestamps')) faults.push(resetTimestamps());
  if (mutants.has('rtmp-timestamp-24-bits')) faults.push(cutTimestamp(0x00ffffff));
  if (mutants.has('rtmp-timestamp-31-bits')) faults.push(cutTimestamp(0x7fffffff));
  if (faults.length === 0) return undefined;
  return faults.reduceRight((next, fault) => (frame, pass) => fault(frame, (passed) => next(passed, pass)));
}

function dropAudio(frame: Frame, pass: Pass): void {
  if (frame.type !== MediaType.audio) pass(frame);
}

function passTwice(frame: Frame, pass: Pass): void {
  pass(frame);
  pass(frame);
}

function everyNth(n: number, fault: Fault): Fault {
  let videos = 0;
  return (frame, pass) => {
    if (frame.isVideo && ++videos % n === 0) fault(frame, pass);
    else pass(frame);
  };
}

/**
 * The last byte: it belongs to a slice, so that lengths and headers stay readable. An edge with the same defect does not
 * undo what its origin did.
 */
function changeByte(frame: Frame): Frame {
  const payload = frame.payload.slice();
  const at = payload.length - 1;
  payload[at] = payload[at]! + 1;
  return new Frame(frame.type, frame.timestamp, payload);
}

/** By two places: an edge with the same defect makes three of it, where a swap of neighbours would be undone. */
function delayFrames(): Fault {
  let videos = 0;
  let held: Frame | undefined;
  return (frame, pass) => {
    if (!frame.isVideo) return pass(frame);
    const turn = ++videos % EVERY;
    if (turn === 0) {
      held = frame;
      return;
    }
    pass(frame);
    if (turn !== 2 || held === undefined) return;
    pass(held);
    held = undefined;
  };
}

function resetTimestamps(): Fault {
  let videos = 0;
  let base = 0;
  return (frame, pass) => {
    if (frame.isVideo && ++videos % RESET_EVERY === 0) base = frame.timestamp;
    pass(base === 0 ? frame : frame.at(Math.max(0, frame.timestamp - base)));
  };
}

function cutTimestamp(mask: number): Fault {
  return (frame, pass) => pass(frame.at((frame.timestamp & mask) >>> 0));
}
