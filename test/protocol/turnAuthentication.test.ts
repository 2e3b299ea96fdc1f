import { assert, describe, it } from "@effect/vitest"
import { Redacted, Result } from "effect"
import * as Stun from "../../src/protocol/stun.ts"
import { type IntegrityKey, longTermKey, verifyIntegrity } from "../../src/protocol/stunIntegrity.ts"
import * as Turn from "../../src/protocol/turn.ts"
import {
  challengesMax,
  firstAttempt,
  type NextStep,
  nextStep,
  staleNoncesMax,
  type TurnAttempt
} from "../../src/protocol/turnAuthentication.ts"
import * as Server from "../../src/protocol/turnServerMessages.ts"
import * as Rfc5769 from "../fixtures/rfc5769.ts"

const { allocate, createPermission, refresh } = Turn.method
const credentials = { username: "alice", password: Redacted.make("correct horse") }
const nonce = (text: string): Uint8Array => new TextEncoder().encode(text)

const keyFor = (realm: string): IntegrityKey => Result.getOrThrow(longTermKey({ ...credentials, realm }))
const authFor = (realm: string, nonceText: string): Turn.TurnAuth => ({
  username: "alice",
  realm,
  nonce: nonce(nonceText),
  key: keyFor(realm),
  profile: "SASLprep"
})
const auth = authFor("r", "n0")

const decode = (datagram: Uint8Array): Stun.DecodedStun => Result.getOrThrow(Stun.decode(datagram))
const requestOf = (method: number): Stun.StunMessage => ({
  class: "request",
  method,
  transactionId: new Uint8Array(12).fill(5),
  attributes: []
})
const success = (method: number, key?: IntegrityKey) => decode(Server.successResponse(requestOf(method), { key }))
const error = (method: number, code: number, key?: IntegrityKey) =>
  decode(Server.errorResponse(requestOf(method), { code, reason: "because" }, { key }))
const unauthorized = (method: number, realm: string, nonceText: string) =>
  decode(Server.unauthorizedResponse(requestOf(method), { realm, nonce: nonce(nonceText) }))
const stale = (method: number, realm: string, nonceText: string) =>
  decode(Server.staleNonceResponse(requestOf(method), { realm, nonce: nonce(nonceText) }))

const retried = (step: NextStep): TurnAttempt => {
  if (step._tag !== "Retry") throw new Error(`expected a retry, got ${JSON.stringify(step)}`)
  return step.attempt
}
const failed = (step: NextStep): readonly [code: number, realm: string | undefined] => {
  if (step._tag !== "Failure") throw new Error(`expected a failure, got ${step._tag}`)
  return [step.code, step.realm]
}
const discarded = (reason: "unrelated" | "fingerprint" | "integrity"): NextStep => ({ _tag: "Discard", reason })

const challenged = (username: string, password: string, nonceText: string) =>
  nextStep(
    firstAttempt(allocate, { username, password: Redacted.make(password) }),
    unauthorized(allocate, "r", nonceText)
  )

describe("the first challenge", () => {
  it("is answered with a key that the server accepts", () => {
    const attempt = retried(nextStep(firstAttempt(allocate, credentials), unauthorized(allocate, "example.org", "n1")))
    const { auth } = attempt
    assert.deepInclude(auth, { username: "alice", realm: "example.org", nonce: nonce("n1") })
    const request = decode(Turn.allocateRequest({ transactionId: new Uint8Array(12), lifetimeSeconds: 600, auth }))
    assert.strictEqual(verifyIntegrity(request, keyFor("example.org")), "valid")
  })

  it("gives the key of RFC 5769 section 2.4, user name and password prepared", () => {
    const { nonce: nonceText, password, realm, username } = Rfc5769.longTerm
    const given = { username, password: Redacted.make(password) }
    const attempt = retried(nextStep(firstAttempt(allocate, given), unauthorized(allocate, realm, nonceText)))
    const key = attempt.auth?.key
    assert.isDefined(key)
    assert.strictEqual(verifyIntegrity(decode(Rfc5769.requestLongTerm), key), "valid")
  })

  it("keeps its own copy of the nonce", () => {
    const response = unauthorized(allocate, "r", "n1")
    const attempt = retried(nextStep(firstAttempt(allocate, credentials), response))
    response.bytes.fill(0)
    assert.deepStrictEqual(attempt.auth?.nonce, nonce("n1"))
  })

  it("ends the request when no credentials are configured", () => {
    assert.deepStrictEqual(failed(nextStep(firstAttempt(allocate, undefined), unauthorized(allocate, "r", "n"))), [
      401,
      "r"
    ])
  })

  it("ends the request when it names no realm or nonce", () => {
    assert.deepStrictEqual(failed(nextStep(firstAttempt(allocate, credentials), error(allocate, 401))), [0, undefined])
  })
})

describe("the second challenge", () => {
  it("means wrong credentials: two requests in all", () => {
    const second = retried(nextStep(firstAttempt(allocate, credentials), unauthorized(allocate, "r", "n1")))
    assert.deepStrictEqual(failed(nextStep(second, unauthorized(allocate, "r", "n2"))), [401, "r"])
  })

  it("shows a realm to people without what could steer their terminal, and gives it back as it came", () => {
    const realm = "\u{1b}[2J\nr"
    const second = retried(nextStep(firstAttempt(allocate, credentials), unauthorized(allocate, realm, "n1")))
    assert.strictEqual(second.auth?.realm, realm)
    assert.deepStrictEqual(failed(nextStep(second, unauthorized(allocate, realm, "n2"))), [401, "\u{fffd}[2J\u{fffd}r"])
  })

  it("means wrong credentials at once when an earlier exchange left some for this realm", () => {
    const attempt = firstAttempt(refresh, credentials, auth)
    assert.deepStrictEqual(failed(nextStep(attempt, unauthorized(refresh, "r", "n1"))), [401, "r"])
    assert.deepStrictEqual(failed(nextStep(attempt, error(refresh, 401))), [401, "r"])
  })

  it("is answered when the realm changed, but not without end", () => {
    let attempt = firstAttempt(allocate, credentials)
    for (let challenge = 0; challenge < challengesMax; challenge++) {
      attempt = retried(nextStep(attempt, unauthorized(allocate, `realm ${challenge}`, "n")))
      assert.strictEqual(attempt.auth?.realm, `realm ${challenge}`)
    }
    assert.deepStrictEqual(failed(nextStep(attempt, unauthorized(allocate, "another", "n"))), [401, "another"])
  })

  it("is answered with a new key when the server's realm changed since the last exchange", () => {
    const attempt = retried(nextStep(firstAttempt(refresh, credentials, auth), unauthorized(refresh, "new", "n")))
    const signed = success(refresh, keyFor("new"))
    assert.deepStrictEqual(nextStep(attempt, signed), { _tag: "Success" })
  })
})

describe("a stale nonce", () => {
  it("is replaced on any request, and the key is kept", () => {
    for (const method of [allocate, refresh, createPermission, Turn.method.channelBind]) {
      const attempt = retried(nextStep(firstAttempt(method, credentials, auth), stale(method, "r", "n1")))
      assert.deepStrictEqual(attempt.auth?.nonce, nonce("n1"))
      assert.strictEqual(attempt.auth?.key, auth.key)
    }
  })

  it("is replaced three times, not more", () => {
    let attempt = firstAttempt(refresh, credentials, auth)
    for (let count = 0; count < staleNoncesMax; count++) {
      attempt = retried(nextStep(attempt, stale(refresh, "r", `n${count}`)))
    }
    assert.strictEqual(staleNoncesMax, 3)
    assert.deepStrictEqual(failed(nextStep(attempt, stale(refresh, "r", "last"))), [438, "r"])
  })

  it("keeps the realm when the response names none, and takes a new one when it does", () => {
    const bare = decode(
      Server.errorResponse(
        requestOf(refresh),
        { code: 438, reason: "" },
        { attributes: [{ type: 0x0015, value: nonce("n1") }] }
      )
    )
    assert.strictEqual(retried(nextStep(firstAttempt(refresh, credentials, auth), bare)).auth?.realm, "r")
    const moved = retried(nextStep(firstAttempt(refresh, credentials, auth), stale(refresh, "new", "n1")))
    assert.deepStrictEqual(nextStep(moved, success(refresh, keyFor("new"))), { _tag: "Success" })
  })

  it("ends the request when the response names no nonce", () => {
    assert.deepStrictEqual(failed(nextStep(firstAttempt(refresh, credentials, auth), error(refresh, 438))), [0, "r"])
  })

  it("may be followed by a challenge only of another realm", () => {
    const attempt = retried(nextStep(firstAttempt(refresh, credentials, auth), stale(refresh, "r", "n1")))
    assert.deepStrictEqual(failed(nextStep(attempt, unauthorized(refresh, "r", "n2"))), [401, "r"])
  })
})

describe("a success response", () => {
  it("counts when it is signed with the key of the request", () => {
    const attempt = firstAttempt(refresh, credentials, auth)
    assert.deepStrictEqual(nextStep(attempt, success(refresh, auth.key)), { _tag: "Success" })
  })

  it("never arrived when it is unsigned or signed with another key", () => {
    const attempt = firstAttempt(refresh, credentials, auth)
    assert.deepStrictEqual(nextStep(attempt, success(refresh)), discarded("integrity"))
    assert.deepStrictEqual(nextStep(attempt, success(refresh, keyFor("another"))), discarded("integrity"))
  })

  it("needs no signature when the request had no credentials", () => {
    assert.deepStrictEqual(nextStep(firstAttempt(allocate, undefined), success(allocate)), { _tag: "Success" })
  })

  it("fails the request when it has attributes that must be understood and are not", () => {
    const attributes = [{ type: 0x7abc, value: new Uint8Array(0) }]
    const response = decode(Server.successResponse(requestOf(refresh), { key: auth.key, attributes }))
    assert.deepStrictEqual(failed(nextStep(firstAttempt(refresh, credentials, auth), response)), [0, "r"])
  })
})

describe("an error response", () => {
  it("ends the request with its code and reason when it is signed", () => {
    for (const code of [300, 400, 403, 420, 437, 441, 442, 443, 486, 500, 508]) {
      for (const method of [allocate, refresh, createPermission]) {
        const step = nextStep(firstAttempt(method, credentials, auth), error(method, code, auth.key))
        assert.deepStrictEqual(step, { _tag: "Failure", code, detail: "because", realm: "r" })
      }
    }
  })

  it("never arrived when it is unsigned, but for what a server says before it authenticated the request", () => {
    const unsigned: ReadonlyArray<readonly [method: number, code: number]> = [
      [allocate, 300],
      [allocate, 437],
      [allocate, 441],
      [refresh, 300],
      [refresh, 441]
    ]
    const accepted = ([method, code]: readonly [number, number]) =>
      unsigned.some(([knownMethod, knownCode]) => knownMethod === method && knownCode === code)
    for (const method of [allocate, refresh]) {
      for (const code of [300, 400, 403, 420, 437, 441, 442, 443, 486, 500, 508]) {
        const step = nextStep(firstAttempt(method, credentials, auth), error(method, code))
        assert.strictEqual(step._tag, accepted([method, code]) ? "Failure" : "Discard", `${code} to ${method}`)
      }
    }
  })

  it("never arrived when it is signed with another key, whatever its code", () => {
    for (const code of [300, 400, 437, 441, 486]) {
      const response = error(allocate, code, keyFor("another"))
      assert.deepStrictEqual(nextStep(firstAttempt(allocate, credentials, auth), response), discarded("integrity"))
    }
  })

  it("needs no signature when the request had no credentials", () => {
    assert.deepStrictEqual(failed(nextStep(firstAttempt(allocate, credentials), error(allocate, 508))), [
      508,
      undefined
    ])
  })

  it("without a readable code ends the request when signed, and never arrived when not", () => {
    const unreadable = (key?: IntegrityKey) => {
      const { transactionId } = requestOf(refresh)
      return decode(Stun.encode({ class: "error", method: refresh, transactionId, attributes: [] }, { key }))
    }
    const attempt = firstAttempt(refresh, credentials, auth)
    assert.deepStrictEqual(failed(nextStep(attempt, unreadable(auth.key))), [0, "r"])
    assert.deepStrictEqual(nextStep(attempt, unreadable()), discarded("integrity"))
  })
})

describe("what is no answer", () => {
  const attempt = firstAttempt(refresh, credentials, auth)

  it("is a message of another method or class", () => {
    assert.deepStrictEqual(nextStep(attempt, success(allocate, auth.key)), discarded("unrelated"))
    for (const messageClass of ["request", "indication"] as const) {
      const message = decode(Stun.encode({ ...requestOf(refresh), class: messageClass }, { key: auth.key }))
      assert.deepStrictEqual(nextStep(attempt, message), discarded("unrelated"))
    }
  })

  it("is a message with a wrong fingerprint", () => {
    const datagram = Server.successResponse(requestOf(refresh), { key: auth.key, fingerprint: true })
    assert.deepStrictEqual(nextStep(attempt, decode(datagram)), { _tag: "Success" })
    datagram[datagram.length - 1] = (datagram.at(-1) ?? 0) ^ 1
    assert.deepStrictEqual(nextStep(attempt, decode(datagram)), discarded("fingerprint"))
  })
})

describe("credentials", () => {
  it("are prepared by SASLprep, or by OpaqueString for a server with the nonce cookie of RFC 8489", () => {
    assert.strictEqual(retried(challenged("\u{2168}", "p", "plain")).auth?.username, "IX")
    assert.strictEqual(retried(challenged("\u{2168}", "p", "obMatJos2AAAAplain")).auth?.username, "\u{2168}")
    assert.strictEqual(retried(challenged("a\u{3000}b", "p", "obMatJos2AAAAplain")).auth?.username, "a b")
  })

  it("go unprepared to a server that refuses the prepared ones, where that makes a difference", () => {
    for (const [username, password] of [
      ["alice", "The\u{ad}M\u{aa}tr\u{2168}"],
      ["\u{2168}", "p"]
    ] as const) {
      const first = retried(challenged(username, password, "n1"))
      const second = retried(nextStep(first, unauthorized(allocate, "r", "n2")))
      assert.strictEqual(second.auth?.username, username)
      const key = Result.getOrThrow(
        longTermKey({ username, realm: "r", password: Redacted.make(password), profile: "Verbatim" })
      )
      assert.deepStrictEqual(nextStep(second, success(allocate, key)), { _tag: "Success" })
      // A new nonce does not bring the preparation back.
      assert.strictEqual(retried(nextStep(second, stale(allocate, "r", "n3"))).auth?.key, second.auth?.key)
      assert.deepStrictEqual(failed(nextStep(second, unauthorized(allocate, "r", "n4"))), [401, "r"])
    }
  })

  it("that cannot be prepared go as they are", () => {
    for (const password of ["pass\u{7}word", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}1"]) {
      const attempt = retried(challenged("alice", password, "n"))
      assert.strictEqual(attempt.auth?.profile, "Verbatim")
      assert.deepStrictEqual(failed(nextStep(attempt, unauthorized(allocate, "r", "n"))), [401, "r"])
    }
    assert.strictEqual(retried(challenged("alice", "The\u{ad}M", "obMatJos2AAAAplain")).auth?.profile, "Verbatim")
  })

  it("with a user name longer than its attribute end the request", () => {
    assert.deepStrictEqual(failed(challenged("a".repeat(509), "p", "n")), [0, undefined])
    assert.strictEqual(challenged("a".repeat(508), "p", "n")._tag, "Retry")
  })

  it("that are refused without a readable challenge are wrong", () => {
    const attempt = firstAttempt(refresh, credentials, auth)
    assert.deepStrictEqual(failed(nextStep(attempt, error(refresh, 401))), [401, "r"])
  })
})
