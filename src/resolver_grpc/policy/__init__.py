"""What is decided, and why: who may be reached, and the decision table. Pure, without clock or I/O."""

POLICY_VERSION = 1
