"""Published versions and aliases through the control plane's entrance."""

from api_bench import ARN, Bench, make_zip

from midge.blobs.digests import code_of


def test_a_version_is_an_immutable_copy(bench: Bench) -> None:
    """A published version keeps code and configuration while $LATEST moves on; its ARN is qualified."""

    async def scenario(bench: Bench) -> None:
        await bench.created(Timeout=10, Tags={"a": "b"})
        published = await bench.call("PublishVersion", FunctionName="f", Description="first")
        assert (published["Version"], published["FunctionArn"]) == ("1", f"{ARN}:1")
        assert (published["Description"], published["State"]) == ("first", "Active")
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=20)
        await bench.settle()
        await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"))
        await bench.settle()
        assert await bench.call("GetFunctionConfiguration", FunctionName="f", Qualifier="1") == published
        latest = await bench.call("GetFunctionConfiguration", FunctionName="f:$LATEST")
        assert (latest["Timeout"], latest["FunctionArn"], latest["Description"]) == (20, f"{ARN}:$LATEST", "")
        assert bench.router.versions[f"{ARN}:1"].code.sha256 == published["CodeSha256"]
        message = await bench.refused(
            "UpdateFunctionConfiguration", "InvalidParameterValueException", FunctionName="f:1", Timeout=1
        )
        assert message == "Current operation does not support versions other than $LATEST."

    bench.run(scenario)


def test_nothing_new_is_published_when_nothing_changed(bench: Bench) -> None:
    """Publishing again returns the newest version; after a change, also of the description, there is a new one."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        first = await bench.call("PublishVersion", FunctionName="f")
        assert await bench.call("PublishVersion", FunctionName="f", Description="again") == first
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Description="changed")
        await bench.settle()
        assert (await bench.call("PublishVersion", FunctionName="f"))["Version"] == "2"
        versions = (await bench.call("ListVersionsByFunction", FunctionName="f"))["Versions"]
        assert [v["FunctionArn"].removeprefix(ARN) for v in versions] == [":$LATEST", ":1", ":2"]

    bench.run(scenario)


def test_numbers_go_on_after_deletion(bench: Bench) -> None:
    """A function deleted and created again goes on counting, as AWS never reuses a version number."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        await bench.call("DeleteFunction", FunctionName="f")
        await bench.created()
        assert (await bench.call("PublishVersion", FunctionName="f"))["Version"] == "2"

    bench.run(scenario)


def test_publishing_checks_the_code_it_is_about(bench: Bench) -> None:
    """PublishVersion with another CodeSha256 than $LATEST's is refused in AWS's words."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        actual, other = code_of(make_zip()).sha256, code_of(b"other").sha256
        message = await bench.refused(
            "PublishVersion", "InvalidParameterValueException", FunctionName="f", CodeSha256=other
        )
        assert message == (
            f"CodeSHA256 ({other}) is different from current CodeSHA256 in $LATEST ({actual}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
        assert (await bench.call("PublishVersion", FunctionName="f", CodeSha256=actual))["Version"] == "1"

    bench.run(scenario)


def test_create_and_update_can_publish(bench: Bench) -> None:
    """Publish makes version 1 on creation and 2 on a code update; both become Active in the background."""

    async def scenario(bench: Bench) -> None:
        created = await bench.create(Publish=True)
        assert (created["Version"], created["FunctionArn"], created["State"]) == ("1", ARN, "Pending")
        assert (await bench.settle())["State"] == "Active"
        assert (await bench.settle(version="1"))["State"] == "Active"
        updated = await bench.call("UpdateFunctionCode", FunctionName="f", ZipFile=make_zip(b"new"), Publish=True)
        assert (updated["Version"], updated["FunctionArn"]) == ("2", f"{ARN}:2")
        assert (await bench.settle(version="2"))["CodeSha256"] == code_of(make_zip(b"new")).sha256
        assert (await bench.settle())["LastUpdateStatus"] == "Successful"
        assert {version.state for version in bench.router.versions.values()} == {"Active"}

    bench.run(scenario)


def test_deleting_one_version(bench: Bench) -> None:
    """A qualifier deletes that version alone; an absent one is no error; $LATEST and aliases are refused."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        message = await bench.refused("DeleteFunction", "ResourceConflictException", FunctionName="f", Qualifier="1")
        assert message == "Unable to delete version because the following aliases reference it: [live]"
        message = await bench.refused(
            "DeleteFunction", "InvalidParameterValueException", FunctionName="f", Qualifier="$LATEST"
        )
        assert message == "$LATEST version cannot be deleted without deleting the function."
        await bench.refused("DeleteFunction", "InvalidParameterValueException", FunctionName="f", Qualifier="live")
        await bench.call("DeleteAlias", FunctionName="f", Name="live")
        for _ in range(2):
            assert await bench.call("DeleteFunction", FunctionName="f", Qualifier="1") == {"StatusCode": 204}
        assert list(bench.router.versions) == [f"{ARN}:$LATEST"]
        message = await bench.refused("GetFunction", "ResourceNotFoundException", FunctionName="f", Qualifier="1")
        assert message == f"Function not found: {ARN}:1"
        await bench.refused("DeleteFunction", "ResourceNotFoundException", FunctionName="g", Qualifier="1")

    bench.run(scenario)


def test_the_life_of_an_alias(bench: Bench) -> None:
    """An alias is created, found, changed with a new revision each time, listed and deleted; the router follows."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        created = await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", Description="d")
        revision = created.pop("RevisionId")
        assert created == {
            "AliasArn": f"{ARN}:live", "Name": "live", "FunctionVersion": "1", "Description": "d",
        }  # fmt: skip
        assert bench.router.aliases[f"{ARN}:live"].version == "1"
        updated = await bench.call(
            "UpdateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST", RevisionId=revision
        )
        assert (updated["FunctionVersion"], updated["Description"]) == ("$LATEST", "d")
        assert updated["RevisionId"] != revision
        await bench.refused(
            "UpdateAlias", "PreconditionFailedException", FunctionName="f", Name="live", RevisionId=revision
        )
        assert await bench.call("GetAlias", FunctionName="f", Name="live") == updated
        assert bench.router.aliases[f"{ARN}:live"].version == "$LATEST"
        assert await bench.call("DeleteAlias", FunctionName="f", Name="live") == {}
        assert await bench.call("DeleteAlias", FunctionName="f", Name="live") == {}
        assert bench.router.aliases == {}

    bench.run(scenario)


def test_an_alias_is_a_qualifier(bench: Bench) -> None:
    """GetFunction by an alias shows its version under the alias's ARN."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        await bench.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        for given in ({"FunctionName": "f", "Qualifier": "live"}, {"FunctionName": "f:live"}):
            found = (await bench.call("GetFunction", **given))["Configuration"]
            assert (found["Version"], found["FunctionArn"]) == ("1", f"{ARN}:live")
        message = await bench.refused("GetFunction", "ResourceNotFoundException", FunctionName="f", Qualifier="none")
        assert message == f"Function not found: {ARN}:none"

    bench.run(scenario)


def test_weighted_routing(bench: Bench) -> None:
    """An alias may share between two published versions; an empty RoutingConfig ends it; the rest is refused."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        await bench.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
        await bench.settle()
        await bench.call("PublishVersion", FunctionName="f")
        routing = {"AdditionalVersionWeights": {"2": 0.25}}
        created = await bench.call(
            "CreateAlias", FunctionName="f", Name="live", FunctionVersion="1", RoutingConfig=routing
        )
        assert created["RoutingConfig"] == routing
        for version, weights, says in (
            ("1", {"2": 0.1, "3": 0.1}, "cannot be greater than 1"),
            ("1", {"1": 0.1}, "already included in routing configuration"),
            ("$LATEST", {"1": 0.1}, "$LATEST is not supported for an alias pointing to more than 1 version"),
        ):
            message = await bench.refused(
                "CreateAlias", "InvalidParameterValueException", FunctionName="f", Name="x", FunctionVersion=version,
                RoutingConfig={"AdditionalVersionWeights": weights},
            )  # fmt: skip
            assert says in message
        message = await bench.refused(
            "CreateAlias", "ResourceNotFoundException", FunctionName="f", Name="x", FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"9": 0.1}},
        )  # fmt: skip
        assert message == f"Function not found: {ARN}:9"
        kept = await bench.call("UpdateAlias", FunctionName="f", Name="live", Description="d")
        assert kept["RoutingConfig"] == routing
        ended = await bench.call("UpdateAlias", FunctionName="f", Name="live", RoutingConfig={})
        assert "RoutingConfig" not in ended

    bench.run(scenario)


def test_aliases_are_listed_by_version(bench: Bench) -> None:
    """ListAliases pages by name and can be narrowed to one version."""

    async def scenario(bench: Bench) -> None:
        await bench.created()
        await bench.call("PublishVersion", FunctionName="f")
        for name, version in (("c", "1"), ("a", "$LATEST"), ("b", "1")):
            await bench.call("CreateAlias", FunctionName="f", Name=name, FunctionVersion=version)
        first = await bench.call("ListAliases", FunctionName="f", MaxItems=2)
        rest = await bench.call("ListAliases", FunctionName="f", MaxItems=2, Marker=first["NextMarker"])
        assert [alias["Name"] for alias in first["Aliases"] + rest["Aliases"]] == ["a", "b", "c"]
        narrowed = await bench.call("ListAliases", FunctionName="f", FunctionVersion="1")
        assert [alias["Name"] for alias in narrowed["Aliases"]] == ["b", "c"]

    bench.run(scenario)


def test_missing_and_doubled_aliases(bench: Bench) -> None:
    """Errors about aliases name their ARNs as AWS does."""

    async def scenario(bench: Bench) -> None:
        await bench.refused("CreateAlias", "ResourceNotFoundException", FunctionName="f", Name="a", FunctionVersion="1")
        await bench.created()
        missing = await bench.refused("GetAlias", "ResourceNotFoundException", FunctionName="f", Name="a")
        assert missing == f"Cannot find alias arn: {ARN}:a"
        await bench.refused("UpdateAlias", "ResourceNotFoundException", FunctionName="f", Name="a")
        await bench.call("CreateAlias", FunctionName="f", Name="a", FunctionVersion="$LATEST")
        doubled = await bench.refused(
            "CreateAlias", "ResourceConflictException", FunctionName="f", Name="a", FunctionVersion="$LATEST"
        )
        assert doubled == f"Alias already exists: {ARN}:a"

    bench.run(scenario)
