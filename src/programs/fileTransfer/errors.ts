/**
 * How sending or receiving a file fails, as a person reads it. What is wrong with the session itself stays a
 * `SessionError`; these say what is wrong with the file, the disk, or what the other side answered.
 */
import { Schema } from "effect"
import { failures, refusals } from "../../protocol/fileTransfer.ts"

/** The operating system refused: no such file, no permission, an error of the disk. */
export class FileInaccessible extends Schema.TaggedError<FileInaccessible>()("FileInaccessible", {
  code: Schema.String,
  detail: Schema.String
}) {}
/** It is a directory, a device, a pipe or the like. */
export class FileNotRegular extends Schema.TaggedError<FileNotRegular>()("FileNotRegular", { what: Schema.String }) {}
/** Its content or length changed between two reads. */
export class FileChanged extends Schema.TaggedError<FileChanged>()("FileChanged", {}) {}
/** The place for received files is no directory that can be written to. */
export class DirectoryUnusable extends Schema.TaggedError<DirectoryUnusable>()("DirectoryUnusable", {
  detail: Schema.String
}) {}
/** One command at a time receives for a node. */
export class AlreadyReceiving extends Schema.TaggedError<AlreadyReceiving>()("AlreadyReceiving", {}) {}
/** The member has no command running that receives files. */
export class NotReceiving extends Schema.TaggedError<NotReceiving>()("NotReceiving", {}) {}
/** The member does not take this file. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  reason: Schema.Literals(refusals),
  bytesMax: Schema.NullOr(Schema.Int)
}) {}
/** The member took the file, and then could not keep it. */
export class NotStored extends Schema.TaggedError<NotStored>()("NotStored", { reason: Schema.Literals(failures) }) {}
/** The other side is there but does not move: it was suspended, or its disk hangs. */
export class Stalled extends Schema.TaggedError<Stalled>()("Stalled", { seconds: Schema.Finite }) {}
/** What the other side says is not the protocol of file transfers. */
export class Unintelligible extends Schema.TaggedError<Unintelligible>()("Unintelligible", { detail: Schema.String }) {}
/** The path was cut too often. */
export class GivenUp extends Schema.TaggedError<GivenUp>()("GivenUp", {
  tries: Schema.Int,
  detail: Schema.String
}) {}
/** This node has enough to do. */
export class TooManyTransfers extends Schema.TaggedError<TooManyTransfers>()("TooManyTransfers", {
  max: Schema.Int
}) {}

export const FileTransferReason = Schema.Union([
  FileInaccessible,
  FileNotRegular,
  FileChanged,
  DirectoryUnusable,
  AlreadyReceiving,
  NotReceiving,
  Refused,
  NotStored,
  Stalled,
  Unintelligible,
  GivenUp,
  TooManyTransfers
])
export type FileTransferReason = typeof FileTransferReason.Type

const refusalText = ({ bytesMax, reason }: Refused): string => {
  switch (reason) {
    case "notWanted":
      return "it takes no files from this node"
    case "tooLarge":
      return bytesMax === null ? "the file is too large" : `it takes files of at most ${bytesMax} bytes`
    case "noSpace":
      return "its disk has not enough room for the file"
    case "busy":
      return "it is receiving as many files as it can; try again later"
    case "cannotWrite":
      return "it cannot write to its directory"
  }
}

const failureText = ({ reason }: NotStored): string => {
  switch (reason) {
    case "checksum":
      return "what arrived is not what was sent (checksum); it was thrown away"
    case "malformed":
      return "it did not understand what was sent"
    case "noSpace":
      return "its disk is full; it keeps what has arrived, so free some space there and send again"
    case "cannotWrite":
      return "it could not write the file"
  }
}

/** What a reason means, for a person. */
export const describe = (reason: FileTransferReason): string => {
  switch (reason._tag) {
    case "FileInaccessible":
      return reason.detail
    case "FileNotRegular":
      return `it is ${reason.what}; only ordinary files are sent`
    case "FileChanged":
      return "it changed while it was being sent; send it again when nothing writes to it"
    case "DirectoryUnusable":
      return `files cannot be received there: ${reason.detail}`
    case "AlreadyReceiving":
      return "this node is already receiving files for another command; end that one first"
    case "NotReceiving":
      return 'the member is not receiving files now; "icn-node receive --out DIR" has to run there'
    case "Refused":
      return `the member refused the file: ${refusalText(reason)}`
    case "NotStored":
      return `the member did not store the file: ${failureText(reason)}`
    case "Stalled":
      return `nothing moved for ${reason.seconds} s`
    case "Unintelligible":
      return `the member speaks another protocol: ${reason.detail}`
    case "GivenUp":
      return `given up after ${reason.tries} tries: ${reason.detail}; sending it again goes on where it stopped`
    case "TooManyTransfers":
      return `${reason.max} transfers are under way, and that is the limit`
  }
}

/** Every failure of a transfer that is not the session's; match with `Effect.catchReason("FileTransferError", …)`. */
export class FileTransferError extends Schema.TaggedError<FileTransferError>()("FileTransferError", {
  /** The file or directory that it is about, as it was named. */
  file: Schema.String,
  reason: FileTransferReason
}) {
  override get message(): string {
    return `${this.file}: ${describe(this.reason)}`
  }
}
