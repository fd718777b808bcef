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
  | 'INSTALLATION_OTHER' // bus or store belongs to another installation
  | 'STORE_CONFLICT' // somebody else wrote the record first (compare-and-set lost)
  | 'BUS_CLOSED' // publish or subscribe after close
  | 'BUS_UNREACHABLE' // the server of the bus does not answer, or does not take what it is sent
  | 'BUS_REFUSED' // it does not accept our credentials
  | 'BUS_UNFIT' // it is too old, lacks something, or what is on it does not fit the configuration
  | 'STORE_UNREACHABLE' // the same of the store
  | 'STORE_UNFIT' // the same of the store
  | 'STORE_RECORD_UNREADABLE' // a record of the store cannot be read: its version is not known, or it does not fit its schema
  | 'VM_SET_ASIDE' // a VM's last change could not be written; nothing is decided about it until that is mended
  | 'PAYLOAD_TOO_LARGE' // an event or a record is larger than its server takes
  | 'RECORD_TOO_LONG' // a record is longer than the store takes
  | 'QUOTA_EXCEEDED' // more VMs, sessions, users, positions or events than one installation, user, VM or request may have
  | 'BUS_OVERLOADED' // too many events wait on the bus to take more: try again later
  | 'SERVICE_STOPPED' // asked of a service that is not started, or is going down
  | 'HELD_ELSEWHERE' // another process of the same service holds what was asked for
  | 'VM_UNKNOWN' // no VM of that name was declared
  | 'SITE_UNKNOWN' // no site of that name was reported
  | 'SITE_IN_USE' // a site has VMs, or moves lead there or away: it cannot be removed
  | 'HOME_FIXED' // a VM that is there already is not moved by declaring it elsewhere
  | 'PLACE_UNKNOWN' // a cell, access point or zone that nobody has given a position
  | 'WEBHOOK_FAILED' // who is to be told of moves does not take it
  | 'MIGRATION_UNKNOWN' // no migration of that id is under way
  | 'MIGRATION_PAST_CANCEL' // the VM already switched over: only forward from here
  | 'LAST_OPEN_SITE' // draining it would leave no site that could take its VMs
  | 'MOVE_REFUSED' // an operator's move does not pass the filters
  | 'POLICY_UNKNOWN' // no policy of that name
  | 'USAGE' // the command line does not make sense
  | 'SERVER_UNREACHABLE' // an operating command found nobody at the address
  | 'CONNECTION_BROKEN' // a probed connection was lost, or bytes on it
  | 'TESTBED_MISSING' // something that the test bed needs is missing on this host
  | 'TOPOLOGY_INVALID' // the description of a test bed has a fault
  | 'MPTCP_UNAVAILABLE' // the kernel has no multipath TCP, or has it switched off
  | 'IMAGE_UNKNOWN' // a site has no image of that name
  | 'ORDER_REFUSED' // an agent's VM is not in the state that the order is for
  | 'NO_SUCH_VM' // a site has no such VM
  | 'VM_ELSEWHERE' // the VM is not here, or is another site's
  | 'PAST_CANCEL' // the switch-over was made: it cannot be called off
  | 'NOT_RECEIVED' // the destination has not got the whole VM
  | 'COPY_FAILED' // memory or disk could not be copied
  | 'STALLED' // no byte passes between two sites, or nobody answers there
  | 'NOT_CONVERGING' // the guest writes faster than the paths carry
  | 'QEMU_GONE' // the QEMU process is no more
  | 'QEMU_SILENT' // QEMU does not answer, or not with what was asked for
  | 'GUEST_SILENT' // the helper in the guest does not answer
  | 'GUEST_REFUSED' // the helper in the guest could not do it
  | 'GUEST_ANSWER_INVALID' // what a guest answers is too long, or does not fit the question
  | 'AGENT_UNREACHABLE' // a site's agent does not answer
  | 'AGENT_ANSWER_INVALID' // what a site's agent answers is too long, or does not fit the question
  | 'ANSWER_TOO_LONG' // a peer sends more bytes than an answer may have
  | 'HOST_UNFIT' // a host lacks what the agent of a site needs
  | 'PROGRAM_MISSING' // a program that a command runs is not on this host
  | 'PORT_UNAVAILABLE'; // the address to answer requests at is taken, or may not be used

/**
 * Why a migration was refused, or ended without its VM at the destination, where that is found out here. What an agent
 * answers is an {@link ErrorCode} of its own, or any text of a foreign one.
 */
export type FailureCode =
  | 'BAD_ORDER' // a step that is not the next one, or a VM that is being moved, or is there already
  | 'NO_PATH' // the two sites have no provider in common
  | 'NO_SUCH_VM' // no site has the VM
  | 'VM_ELSEWHERE' // it does not run where it is to leave from
  | 'VM_BUSY' // another migration of the VM has not ended
  | 'VM_NOT_RUNNING' // it runs at neither site, or died where it arrived
  | 'SITE_FULL' // every slot of the destination is taken or promised
  | 'SITE_UNKNOWN' // one of its sites was removed
  | 'QUEUE_TIMEOUT' // the limits did not allow it in time
  | 'HYPERVISOR_SILENT' // nobody answers for it
  | 'STUCK' // a step does not end and moves no bytes
  | 'UNDO_FAILED' // it was cancelled, and its preparations could not be undone
  | 'INTERNAL'; // a fault of the program

/** What an HTTP answer says of a fault that has no {@link ErrorCode}. */
export type AnswerCode =
  | 'BAD_REQUEST'
  | 'UNAUTHORIZED'
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'PATH_TOO_LONG'
  | 'BODY_TOO_LARGE'
  | 'MEDIA_TYPE_UNSUPPORTED'
  | 'RATE_LIMITED'
  | 'TOO_MANY_PAGES'
  | 'INTERNAL';

/** An error with a stable {@link ErrorCode}; its message is one line that says what, where, and what would be right. */
export class TagalongError extends Error {
  override readonly name = 'TagalongError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
