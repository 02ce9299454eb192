/**
 * Settings of a stream or consumer that exists, against those that the code relies on. A server leaves what is not named in an
 * update as it is, so all of them are named.
 */

export interface Difference {
  readonly setting: string;
  readonly is: unknown;
  readonly needed: unknown;
}

export type Settings = Readonly<Record<string, unknown>>;

/** Nothing limits, moves, copies, hides or locks messages but what a stream declares. `undefined` is: not set. */
export const plainStream: Settings = {
  max_msgs: -1,
  max_msgs_per_subject: -1,
  max_msg_size: -1,
  max_age: 0,
  max_consumers: -1,
  no_ack: false,
  sealed: false,
  deny_delete: false,
  deny_purge: false,
  allow_direct: true,
  allow_rollup_hdrs: false,
  allow_msg_ttl: false,
  discard_new_per_subject: false,
  mirror: undefined,
  sources: undefined,
  republish: undefined,
  subject_transform: undefined,
  consumer_limits: undefined,
};

/** As `plainStream`, for a pull consumer that hands out everything to anyone who asks. */
export const plainConsumer: Settings = {
  deliver_subject: undefined,
  filter_subjects: undefined,
  headers_only: false,
  max_batch: 0,
  max_bytes: 0,
  max_expires: 0,
  max_waiting: 512,
  inactive_threshold: 0,
  rate_limit_bps: 0,
  mem_storage: false,
  backoff: undefined,
  priority_groups: undefined,
};

/** Of these a server changes none, whatever its version. */
const fixed: ReadonlySet<string> = new Set([
  'retention',
  'storage',
  'sealed',
  'deny_delete',
  'deny_purge',
  'mirror',
  'allow_msg_ttl',
]);

export const isFixed = ({ setting }: Difference): boolean => fixed.has(setting);

export function differencesOf(present: object, declared: Settings): Difference[] {
  return Object.entries(declared).flatMap(([setting, needed]) => {
    const is: unknown = Reflect.get(present, setting);
    return textOf(is) === textOf(needed) ? [] : [{ setting, is, needed }];
  });
}

/** `max_msgs is 20, -1 is needed` */
export function describe({ setting, is, needed }: Difference): string {
  return `${setting} is ${textOf(is)}, ${textOf(needed)} is needed`;
}

/** Whether a message can have a subject that matches both; `*` is one token, `>` one or more at the end. */
export function subjectsOverlap(a: string, b: string): boolean {
  const [left, right] = [a.split('.'), b.split('.')];
  for (let at = 0; ; at += 1) {
    const [one, other] = [left[at], right[at]];
    if (one === undefined || other === undefined) return one === other;
    if (one === '>' || other === '>') return true;
    if (one !== other && one !== '*' && other !== '*') return false;
  }
}

/** What is not set is the same as empty, zero or false: servers leave it out. */
function textOf(value: unknown): string {
  const isEmpty = value === undefined || value === null || value === '' || value === 0 || value === false;
  if (isEmpty || (typeof value === 'object' && Object.keys(value).length === 0)) return 'not set';
  return JSON.stringify(value);
}
