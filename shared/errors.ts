/**
 * Every error that a user, an operator or another program can get, by a stable code. Tests and callers check `code`,
 * never the message. A code never gets a second meaning.
 */
export type ErrorCode =
  | 'CONFIG_UNREADABLE' // the configuration file cannot be opened or is not YAML
  | 'CONFIG_INVALID' // a key is unknown, missing or out of range
  | 'SECRET_WEAK' // others can reach the server, and know or guess a secret of the configuration
  | 'FILE_EXISTS' // a command would overwrite a file
  | 'EVENT_INVALID' // an event does not fit its schema
  | 'TRACE_UNREADABLE' // a trace file cannot be opened, or its format is unknown
  | 'TRACE_ROW_INVALID' // one row of a trace is wrong, and --strict was given
  | 'SITES_INVALID' // a site list has a wrong row
  | 'INSTALLATION_OTHER' // bus or store belongs to another installation
  | 'STORE_CONFLICT' // another process wrote the record first (compare-and-set lost)
  | 'BUS_CLOSED' // publish or subscribe after close
  | 'BUS_UNREACHABLE' // the server of the bus does not answer, or does not accept messages
  | 'BUS_REFUSED' // the server does not accept our credentials
  | 'MQTT_ACCOUNT_SHARED' // phones and services use one account of a server, so phones could use the whole bus
  | 'BUS_UNFIT' // the server is too old, lacks a feature, or its contents do not fit the configuration
  | 'STORE_UNREACHABLE' // like BUS_UNREACHABLE, for the store
  | 'STORE_UNFIT' // like BUS_UNFIT, for the store
  | 'STORE_RECORD_UNREADABLE' // a record of the store cannot be read: its version is unknown, or it does not fit its schema
  | 'VM_SET_ASIDE' // a VM's last change could not be written; no decision on the VM is made until that is repaired
  | 'PAYLOAD_TOO_LARGE' // an event or a record is larger than its server accepts
  | 'RECORD_TOO_LONG' // a record is longer than the store accepts
  | 'QUOTA_EXCEEDED' // too many VMs, sessions, users, positions, events or exports for one installation, user, VM, set, group or request
  | 'BUS_OVERLOADED' // too many events wait on the bus, so no more are accepted: try again later
  | 'SERVICE_STOPPED' // the service is not started yet, or is stopping
  | 'HELD_ELSEWHERE' // another process of the same service owns the requested VM or record
  | 'FORBIDDEN' // the role of the caller's token does not permit the request
  | 'ISSUER_UNREACHABLE' // the provider of access tokens does not answer, so that nobody can tell whether a token is valid
  | 'HOST_REFUSED' // the request names the server by a name that is not its own
  | 'ORIGIN_REFUSED' // a page of another server caused the request
  | 'PATH_OUTSIDE' // the path of a request to another process leads out of /v1
  | 'TOKEN_UNKNOWN' // no issued token has that id
  | 'ERASURE_INCOMPLETE' // not everything about a user could be erased; a repeat may erase the rest
  | 'VM_UNKNOWN' // no VM with that name was declared
  | 'SITE_UNKNOWN' // no site with that name was reported
  | 'SITE_IN_USE' // the site cannot be removed: it has VMs, or is the source or destination of a move
  | 'PARTITION_DIFFERS' // a VM cannot be related to a VM or a set whose name has another part before `::`
  | 'HOME_FIXED' // a VM that exists cannot be moved by a declaration with another home
  | 'PLACE_UNKNOWN' // a cell, access point or zone without a configured position
  | 'WEBHOOK_FAILED' // a webhook's receiver does not accept a notification
  | 'MIGRATION_UNKNOWN' // no migration with that id is under way
  | 'MIGRATION_PAST_CANCEL' // the VM has already switched over, so the migration can no longer be cancelled
  | 'CONFIRMATION_MISSING' // the order empties a site and does not confirm that
  | 'LAST_OPEN_SITE' // the site cannot be drained: no other site is open for its VMs
  | 'MOVE_REFUSED' // a filter rejected an operator's move
  | 'POLICY_UNKNOWN' // no policy has that name
  | 'USAGE' // the command line is wrong
  | 'SERVER_UNREACHABLE' // no server answers a command at the address
  | 'CONNECTION_BROKEN' // a probed connection was lost, or lost bytes
  | 'TESTBED_MISSING' // this host lacks a requirement of the test bed
  | 'TOPOLOGY_INVALID' // the description of a test bed is wrong
  | 'MPTCP_UNAVAILABLE' // the kernel has no multipath TCP, or it is switched off
  | 'IMAGE_UNKNOWN' // the site has no image with that name
  | 'ORDER_REFUSED' // the agent's VM is not in the state that the order requires
  | 'NO_SUCH_VM' // the site has no such VM
  | 'VM_ELSEWHERE' // the VM is not at this site, or belongs to another one
  | 'PAST_CANCEL' // the VM has switched over, so the agent cannot cancel the move
  | 'NOT_RECEIVED' // the destination has not received the whole VM
  | 'COPY_FAILED' // memory or disk could not be copied
  | 'STALLED' // no byte passes between two sites, or the other site does not answer
  | 'NOT_CONVERGING' // the guest writes faster than the paths carry
  | 'QEMU_GONE' // the QEMU process has ended
  | 'QEMU_SILENT' // QEMU does not answer, or its answer does not fit the question
  | 'GUEST_SILENT' // the helper in the guest does not answer
  | 'GUEST_REFUSED' // the helper in the guest could not carry out the command
  | 'GUEST_ANSWER_INVALID' // a guest's answer is too long, or does not fit the question
  | 'AGENT_UNREACHABLE' // a site's agent does not answer
  | 'AGENT_ANSWER_INVALID' // an agent's answer is too long, or does not fit the question
  | 'UPLINK_ADDRESS_DIFFERS' // an agent names another address for an uplink than the site's declaration
  | 'ANSWER_TOO_LONG' // a peer's answer has too many bytes
  | 'HOST_UNFIT' // the host lacks a requirement of the agent
  | 'PROGRAM_MISSING' // this host lacks a program that the command runs
  | 'PORT_UNAVAILABLE'; // the listen address is in use, or may not be used

/**
 * Why a migration was rejected, or ended without its VM at the destination, if the migrator itself finds the cause. If an agent
 * finds it, the code is an {@link ErrorCode}, or any text of a foreign agent.
 */
export type FailureCode =
  | 'BAD_ORDER' // the step is not the next one, or the VM is being moved, or is already there
  | 'NO_PATH' // the two sites have no provider in common
  | 'NO_SUCH_VM' // no site has the VM
  | 'VM_ELSEWHERE' // the VM does not run at the source
  | 'VM_BUSY' // another migration of the VM has not ended
  | 'VM_NOT_RUNNING' // the VM runs at neither site, or died at the destination
  | 'SITE_FULL' // every slot of the destination is occupied or reserved
  | 'SITE_UNKNOWN' // the source or the destination was removed
  | 'QUEUE_TIMEOUT' // the limits did not allow the migration in time
  | 'HYPERVISOR_SILENT' // the hypervisor does not answer
  | 'STUCK' // a step neither ends nor moves bytes
  | 'UNDO_FAILED' // the migration was cancelled, and its preparations could not be undone
  | 'INTERNAL'; // a bug in the program

/** The code in an HTTP response for an error that has no {@link ErrorCode}. */
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

/** An error with a stable {@link ErrorCode}; its message is one line with the fault, its place and the remedy. */
export class TagalongError extends Error {
  override readonly name = 'TagalongError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
