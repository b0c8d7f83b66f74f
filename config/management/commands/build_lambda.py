"""`manage.py build_lambda`: one archive for AWS Lambda."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.packaging import HANDLER, PLATFORMS, PYTHON, PackagingFailed, build_lambda


class Command(BaseCommand):
    requires_system_checks = ()
    help = "Builds the package of the Lambda function that folds what SQS announces."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--out", type=Path, default=Path("build", "lambda.zip"), help="default build/lambda.zip")
        parser.add_argument("--architecture", choices=sorted(PLATFORMS), default="x86_64", help="default x86_64")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            size = build_lambda(options["out"], architecture=options["architecture"])
        except PackagingFailed as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"{options['out']}: {size / 1e6:.1f} MB for python{PYTHON} on {options['architecture']}, handler {HANDLER}"
        )
