"""
The little language in which the catalogue states formulas.

An expression over metric keys with + - * / **, parentheses, numbers, one optional comparison, and:
`or_zero(x)` an absent x counts as nothing; `abs(x)`; `clamp(x, low, high)`;
`ttm(x)` the twelve months that end with the period; `average(x)` the mean of x at the end of the period and a year
before; `prior_year(x)` the same period a year before; `years_ago(x, n)` the same period n years before.
"""

import ast
import operator
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Literal

import msgspec


class FormulaInvalid(Exception):
    """A formula is not in the catalogue's language; the message quotes it."""


class Operand(msgspec.Struct, frozen=True):
    """
    One value a formula needs: a metric, how many years before the period, and over which span.

    `span` is "period" for the period asked about, "ttm" for the twelve months ending with it.
    `optional` operands count as zero when absent.
    """

    metric: str
    years_ago: int = 0
    span: Literal["period", "ttm"] = "period"
    optional: bool = False


Lookup = Callable[[Operand], Decimal | None]


class OperandMissing(Exception):
    """An operand has no value; `operand` names it."""

    def __init__(self, operand: Operand) -> None:
        super().__init__(operand.metric)
        self.operand = operand


_BINARY: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Decimal, Decimal], bool]] = {
    ast.LtE: operator.le,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
}

Evaluate = Callable[[Lookup], Decimal]


class Formula(msgspec.Struct, frozen=True):
    """
    A parsed formula: its text, the operands it needs, and the way to work it out.

    `parts` are the numerator and the denominator of a formula that is a quotient, or one less 1: `less_one`.
    """

    text: str
    needs: tuple[Operand, ...]
    evaluate: Evaluate
    parts: tuple[Evaluate, Evaluate] | None = None
    less_one: bool = False

    def operands(self) -> set[str]:
        """This will name every metric the formula mentions."""
        return {operand.metric for operand in self.needs}

    def compute(self, lookup: Lookup) -> Decimal:
        """
        This will work the formula out with the values `lookup` gives.

        Raises:
            OperandMissing: a required operand has no value.
            decimal.DivisionByZero, decimal.InvalidOperation: the arithmetic has no result.
        """
        return self.evaluate(lookup)


@cache
def parse_formula(text: str) -> Formula:
    """
    This will parse a formula of the catalogue. A comparison yields 1 or 0.

    Raises:
        FormulaInvalid: the text is not in the language.
    """
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise FormulaInvalid(f"cannot read formula {text!r}: {error.msg}") from error
    needs: list[Operand] = []
    evaluate = _compile(tree, needs, text)
    quotient, less_one = _quotient(tree)
    parts = None
    if quotient is not None:
        parts = _compile(quotient.left, [], text), _compile(quotient.right, [], text)
    return Formula(text, tuple(dict.fromkeys(needs)), evaluate, parts, less_one)


def _quotient(tree: ast.expr) -> tuple[ast.BinOp | None, bool]:
    match tree:
        case ast.BinOp(op=ast.Div()):
            return tree, False
        case ast.BinOp(left=ast.BinOp(op=ast.Div()) as quotient, op=ast.Sub(), right=ast.Constant(value=1)):
            return quotient, True
    return None, False


def _compile(node: ast.expr, needs: list[Operand], text: str) -> Evaluate:
    match node:
        case ast.Constant(value=int() | float() as number):
            constant = Decimal(str(number))
            return lambda lookup: constant
        case ast.Name(id=key):
            return _value(Operand(key), needs)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            apply = _BINARY[type(op)]
            a, b = _compile(left, needs, text), _compile(right, needs, text)
            return lambda lookup: apply(a(lookup), b(lookup))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            c = _compile(inner, needs, text)
            return lambda lookup: -c(lookup)
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            holds = _COMPARE[type(op)]
            a, b = _compile(left, needs, text), _compile(right, needs, text)
            return lambda lookup: Decimal(int(holds(a(lookup), b(lookup))))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            return _compile_call(name, args, needs, text)
    raise FormulaInvalid(f"formula {text!r} uses something outside the language: {ast.dump(node)}")


def _compile_call(name: str, args: list[ast.expr], needs: list[Operand], text: str) -> Evaluate:
    match name, args:
        case "or_zero", [ast.Name(id=key)]:
            return _value(Operand(key, optional=True), needs)
        case "ttm", [ast.Name(id=key)]:
            return _value(Operand(key, span="ttm"), needs)
        case "prior_year", [ast.Name(id=key)]:
            return _value(Operand(key, years_ago=1), needs)
        case "years_ago", [ast.Name(id=key), ast.Constant(value=int() as years)]:
            return _value(Operand(key, years_ago=years), needs)
        case "average", [ast.Name(id=key)]:
            now, before = _value(Operand(key), needs), _value(Operand(key, years_ago=1), needs)
            return lambda lookup: (now(lookup) + before(lookup)) / 2
        case "abs", [inner]:
            a = _compile(inner, needs, text)
            return lambda lookup: abs(a(lookup))
        case "clamp", [inner, low, high]:
            value, floor, ceiling = (_compile(arg, needs, text) for arg in (inner, low, high))
            return lambda lookup: min(max(value(lookup), floor(lookup)), ceiling(lookup))
    raise FormulaInvalid(f"formula {text!r}: no function {name} with these arguments")


def _value(operand: Operand, needs: list[Operand]) -> Evaluate:
    needs.append(operand)

    def evaluate(lookup: Lookup) -> Decimal:
        value = lookup(operand)
        if value is None:
            if operand.optional:
                return Decimal(0)
            raise OperandMissing(operand)
        return value

    return evaluate
