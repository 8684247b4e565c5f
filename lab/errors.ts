/** Every way in which a lab can fail to do what it was asked. Codes are stable: tests, reports and users may match on them. */
export const LabErrorCode = {
  /** There is no topology, node, entry or mutant of that name, or it does not fit the engine. */
  Unknown: 'lab.unknown',
  /** A program that the cluster is made of is not installed or cannot be executed. */
  Program: 'lab.program',
  /** The machine gives a process too few open files for a cluster. */
  OpenFiles: 'lab.open-files',
  /** A port that was asked for is taken. */
  Port: 'lab.port',
  /** A node exited before it was ready. */
  Exited: 'lab.exited',
  /** A node did not answer in time. */
  Timeout: 'lab.timeout',
  /** The start was interrupted. */
  Aborted: 'lab.aborted',
  /** A node's HTTP API did not answer, or not in the form that it promises. */
  Api: 'lab.api',
  /**
   * The cluster does not have it, or may not be asked for it: an address, an observer or a control that a target file does
   * not give. What needs it is unsupported.
   */
  Absent: 'lab.absent',
  /** A target file cannot be read, or is wrong. */
  Target: 'lab.target',
  /** A lab is up already in that directory. */
  AlreadyUp: 'lab.already-up',
} as const;

export type LabErrorCode = (typeof LabErrorCode)[keyof typeof LabErrorCode];

export interface LabErrorDetails {
  /** The node that it is about. */
  readonly node?: string;
  /** The last lines that the node wrote. */
  readonly log?: readonly string[];
  readonly cause?: unknown;
}

/** What the lab says when it cannot. */
export class LabError extends Error {
  override readonly name = 'LabError';
  readonly code: LabErrorCode;
  readonly node: string | undefined;
  readonly log: readonly string[];

  constructor(code: LabErrorCode, message: string, details: LabErrorDetails = {}) {
    super(`${code}: ${message}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.node = details.node;
    this.log = details.log ?? [];
  }
}
