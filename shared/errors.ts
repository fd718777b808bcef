/**
 * Every error a user, an operator or another program can meet, by a stable code. Tests and callers look at `code`,
 * never at the message. A code is never given a second meaning.
 */
export type ErrorCode =
  | 'CONFIG_UNREADABLE' // the configuration file cannot be opened or is not YAML
  | 'CONFIG_INVALID' // a key is unknown, missing or out of range
  | 'EVENT_INVALID' // an event does not fit its schema
  | 'TRACE_UNREADABLE' // a trace file cannot be opened, or its format is not known
  | 'TRACE_ROW_INVALID' // one row of a trace is wrong, and --strict was asked for
  | 'SITES_INVALID' // a site list has a wrong row
  | 'STORE_CONFLICT' // somebody else wrote the record first (compare-and-set lost)
  | 'BUS_CLOSED' // publish or subscribe after close
  | 'BUS_OVERLOADED' // too many events wait on the bus to take more: try again later
  | 'SERVICE_STOPPED' // asked of a service that is not started, or is going down
  | 'VM_UNKNOWN' // no VM of that name was declared
  | 'SITE_UNKNOWN' // no site of that name was reported
  | 'MIGRATION_UNKNOWN' // no migration of that id is under way
  | 'MIGRATION_PAST_CANCEL' // the VM already switched over: only forward from here
  | 'MOVE_REFUSED' // an operator's move does not pass the filters
  | 'POLICY_UNKNOWN' // no policy of that name
  | 'USAGE' // the command line does not make sense
  | 'SERVER_UNREACHABLE' // an operating command found nobody at the address
  | 'PORT_UNAVAILABLE'; // the address to answer requests at is taken, or may not be used

/** An error with a stable {@link ErrorCode}; its message is one line that says what, where, and what would be right. */
export class TagalongError extends Error {
  override readonly name = 'TagalongError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
