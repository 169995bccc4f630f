"""Every operation that midge performs, as plain data: what performs it and what becomes of each member of its input.

An operation that is not in the table is refused by name. A test holds the table against the service model, and
``docs/operations.md`` is made from it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from midge.api import (
    account,
    aliases,
    asynchronous,
    capacity_providers,
    code_signing,
    code_signing_configs,
    concurrency,
    event_invoke_configs,
    event_source_mappings,
    function_updates,
    function_urls,
    functions,
    layer_permissions,
    layers,
    members,
    permissions,
    provisioned_concurrency,
    recursion,
    resource_policies,
    runtime_management,
    tags,
    versions,
)
from midge.api.control_plane import ControlPlane
from midge.api.members import Rules, enforced, stored
from midge.api.services import CallContext

Perform = Callable[[ControlPlane, Mapping[str, Any], CallContext], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Operation:
    """``stored_only``: what it is told is kept and returned, and nothing acts on it yet; strict mode refuses it."""

    perform: Perform
    rules: Rules
    stored_only: bool = False


_MAPPING_SETTINGS: Rules = stored(
    "Enabled",
    "BatchSize",
    "FilterCriteria",
    "KMSKeyArn",
    "MetricsConfig",
    "LoggingConfig",
    "ScalingConfig",
    "MaximumBatchingWindowInSeconds",
    "ParallelizationFactor",
    "DestinationConfig",
    "MaximumRecordAgeInSeconds",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "TumblingWindowInSeconds",
    "SourceAccessConfigurations",
    "FunctionResponseTypes",
    "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "ProvisionedPollerConfig",
)
_MAPPING_SOURCE: Rules = stored(
    "StartingPosition", "StartingPositionTimestamp", "Topics", "Queues", "SelfManagedEventSource"
)
_INVOKE_SETTINGS: Rules = enforced("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
_URL_SETTINGS: Rules = enforced("AuthType", "Cors", "InvokeMode")

OPERATIONS: Mapping[str, Operation] = {
    "CreateFunction": Operation(functions.create_function, members.CREATE_FUNCTION),
    "GetFunction": Operation(functions.get_function, enforced("FunctionName", "Qualifier")),
    "GetFunctionConfiguration": Operation(functions.get_function_configuration, enforced("FunctionName", "Qualifier")),
    "ListFunctions": Operation(
        functions.list_functions, enforced("MasterRegion", "FunctionVersion", "Marker", "MaxItems")
    ),
    "DeleteFunction": Operation(functions.delete_function, enforced("FunctionName", "Qualifier")),
    "UpdateFunctionCode": Operation(function_updates.update_function_code, members.UPDATE_FUNCTION_CODE),
    "UpdateFunctionConfiguration": Operation(
        function_updates.update_function_configuration, members.UPDATE_FUNCTION_CONFIGURATION
    ),
    "PublishVersion": Operation(versions.publish_version, members.PUBLISH_VERSION),
    "ListVersionsByFunction": Operation(
        versions.list_versions_by_function, enforced("FunctionName", "Marker", "MaxItems")
    ),
    "CreateAlias": Operation(
        aliases.create_alias, enforced("FunctionName", "Name", "FunctionVersion", "Description", "RoutingConfig")
    ),
    "GetAlias": Operation(aliases.get_alias, enforced("FunctionName", "Name")),
    "ListAliases": Operation(aliases.list_aliases, enforced("FunctionName", "FunctionVersion", "Marker", "MaxItems")),
    "UpdateAlias": Operation(
        aliases.update_alias,
        enforced("FunctionName", "Name", "FunctionVersion", "Description", "RoutingConfig", "RevisionId"),
    ),
    "DeleteAlias": Operation(aliases.delete_alias, enforced("FunctionName", "Name")),
    "PublishLayerVersion": Operation(layers.publish_layer_version, members.PUBLISH_LAYER_VERSION),
    "GetLayerVersion": Operation(layers.get_layer_version, enforced("LayerName", "VersionNumber")),
    "GetLayerVersionByArn": Operation(layers.get_layer_version_by_arn, enforced("Arn")),
    "ListLayers": Operation(
        layers.list_layers, enforced("CompatibleArchitecture", "CompatibleRuntime", "Marker", "MaxItems")
    ),
    "ListLayerVersions": Operation(
        layers.list_layer_versions,
        enforced("CompatibleArchitecture", "CompatibleRuntime", "LayerName", "Marker", "MaxItems"),
    ),
    "DeleteLayerVersion": Operation(layers.delete_layer_version, enforced("LayerName", "VersionNumber")),
    "AddLayerVersionPermission": Operation(
        layer_permissions.add_layer_version_permission,
        enforced("LayerName", "VersionNumber", "StatementId", "Action", "Principal", "OrganizationId", "RevisionId"),
    ),
    "RemoveLayerVersionPermission": Operation(
        layer_permissions.remove_layer_version_permission,
        enforced("LayerName", "VersionNumber", "StatementId", "RevisionId"),
    ),
    "GetLayerVersionPolicy": Operation(
        layer_permissions.get_layer_version_policy, enforced("LayerName", "VersionNumber")
    ),
    "PutFunctionConcurrency": Operation(
        concurrency.put_function_concurrency, enforced("FunctionName", "ReservedConcurrentExecutions")
    ),
    "GetFunctionConcurrency": Operation(concurrency.get_function_concurrency, enforced("FunctionName")),
    "DeleteFunctionConcurrency": Operation(concurrency.delete_function_concurrency, enforced("FunctionName")),
    "PutProvisionedConcurrencyConfig": Operation(
        provisioned_concurrency.put_provisioned_concurrency_config,
        enforced("FunctionName", "Qualifier", "ProvisionedConcurrentExecutions"),
    ),
    "GetProvisionedConcurrencyConfig": Operation(
        provisioned_concurrency.get_provisioned_concurrency_config, enforced("FunctionName", "Qualifier")
    ),
    "DeleteProvisionedConcurrencyConfig": Operation(
        provisioned_concurrency.delete_provisioned_concurrency_config, enforced("FunctionName", "Qualifier")
    ),
    "ListProvisionedConcurrencyConfigs": Operation(
        provisioned_concurrency.list_provisioned_concurrency_configs, enforced("FunctionName", "Marker", "MaxItems")
    ),
    "GetAccountSettings": Operation(account.get_account_settings, enforced()),
    "AddPermission": Operation(
        permissions.add_permission,
        enforced(
            "FunctionName",
            "StatementId",
            "Action",
            "Principal",
            "SourceArn",
            "FunctionUrlAuthType",
            "InvokedViaFunctionUrl",
            "SourceAccount",
            "EventSourceToken",
            "Qualifier",
            "RevisionId",
            "PrincipalOrgID",
        ),
        stored_only=True,
    ),
    "RemovePermission": Operation(
        permissions.remove_permission, enforced("FunctionName", "StatementId", "Qualifier", "RevisionId")
    ),
    "GetPolicy": Operation(permissions.get_policy, enforced("FunctionName", "Qualifier")),
    "GetResourcePolicy": Operation(resource_policies.get_resource_policy, enforced("ResourceArn")),
    "PutResourcePolicy": Operation(
        resource_policies.put_resource_policy, enforced("ResourceArn", "Policy", "RevisionId"), stored_only=True
    ),
    "DeleteResourcePolicy": Operation(resource_policies.delete_resource_policy, enforced("ResourceArn", "RevisionId")),
    "GetFunctionCodeSigningConfig": Operation(code_signing.get_function_code_signing_config, enforced("FunctionName")),
    "CreateCodeSigningConfig": Operation(
        code_signing_configs.create_code_signing_config,
        enforced("Description", "AllowedPublishers", "CodeSigningPolicies", "Tags"),
    ),
    "GetCodeSigningConfig": Operation(code_signing_configs.get_code_signing_config, enforced("CodeSigningConfigArn")),
    "ListCodeSigningConfigs": Operation(code_signing_configs.list_code_signing_configs, enforced("Marker", "MaxItems")),
    "UpdateCodeSigningConfig": Operation(
        code_signing_configs.update_code_signing_config,
        enforced("CodeSigningConfigArn", "Description", "AllowedPublishers", "CodeSigningPolicies"),
    ),
    "DeleteCodeSigningConfig": Operation(
        code_signing_configs.delete_code_signing_config, enforced("CodeSigningConfigArn")
    ),
    "ListFunctionsByCodeSigningConfig": Operation(
        code_signing_configs.list_functions_by_code_signing_config,
        enforced("CodeSigningConfigArn", "Marker", "MaxItems"),
    ),
    "PutFunctionCodeSigningConfig": Operation(
        code_signing.put_function_code_signing_config, enforced("CodeSigningConfigArn", "FunctionName")
    ),
    "DeleteFunctionCodeSigningConfig": Operation(
        code_signing.delete_function_code_signing_config, enforced("FunctionName")
    ),
    "PutRuntimeManagementConfig": Operation(
        runtime_management.put_runtime_management_config,
        enforced("FunctionName", "Qualifier", "UpdateRuntimeOn", "RuntimeVersionArn"),
    ),
    "GetRuntimeManagementConfig": Operation(
        runtime_management.get_runtime_management_config, enforced("FunctionName", "Qualifier")
    ),
    "CreateCapacityProvider": Operation(
        capacity_providers.create_capacity_provider,
        {
            **enforced("CapacityProviderName", "Tags"),
            **stored(
                "VpcConfig",
                "PermissionsConfig",
                "InstanceRequirements",
                "CapacityProviderScalingConfig",
                "KmsKeyArn",
                "PropagateTags",
                "TelemetryConfig",
            ),
        },
        stored_only=True,
    ),
    "GetCapacityProvider": Operation(capacity_providers.get_capacity_provider, enforced("CapacityProviderName")),
    "ListCapacityProviders": Operation(
        capacity_providers.list_capacity_providers, enforced("State", "Marker", "MaxItems")
    ),
    "UpdateCapacityProvider": Operation(
        capacity_providers.update_capacity_provider,
        {
            **enforced("CapacityProviderName"),
            **stored("CapacityProviderScalingConfig", "PropagateTags", "TelemetryConfig"),
        },
        stored_only=True,
    ),
    "DeleteCapacityProvider": Operation(capacity_providers.delete_capacity_provider, enforced("CapacityProviderName")),
    "ListFunctionVersionsByCapacityProvider": Operation(
        capacity_providers.list_function_versions_by_capacity_provider,
        enforced("CapacityProviderName", "Marker", "MaxItems"),
    ),
    "PutFunctionRecursionConfig": Operation(
        recursion.put_function_recursion_config, enforced("FunctionName", "RecursiveLoop")
    ),
    "GetFunctionRecursionConfig": Operation(recursion.get_function_recursion_config, enforced("FunctionName")),
    "CreateEventSourceMapping": Operation(
        event_source_mappings.create_event_source_mapping,
        {**enforced("EventSourceArn", "FunctionName", "Tags"), **_MAPPING_SOURCE, **_MAPPING_SETTINGS},
        stored_only=True,
    ),
    "GetEventSourceMapping": Operation(event_source_mappings.get_event_source_mapping, enforced("UUID")),
    "ListEventSourceMappings": Operation(
        event_source_mappings.list_event_source_mappings,
        enforced("EventSourceArn", "FunctionName", "Marker", "MaxItems"),
    ),
    "UpdateEventSourceMapping": Operation(
        event_source_mappings.update_event_source_mapping,
        {**enforced("UUID", "FunctionName"), **_MAPPING_SETTINGS},
        stored_only=True,
    ),
    "DeleteEventSourceMapping": Operation(event_source_mappings.delete_event_source_mapping, enforced("UUID")),
    "PutFunctionEventInvokeConfig": Operation(
        event_invoke_configs.put_function_event_invoke_config,
        {**enforced("FunctionName", "Qualifier"), **_INVOKE_SETTINGS},
    ),
    "UpdateFunctionEventInvokeConfig": Operation(
        event_invoke_configs.update_function_event_invoke_config,
        {**enforced("FunctionName", "Qualifier"), **_INVOKE_SETTINGS},
    ),
    "GetFunctionEventInvokeConfig": Operation(
        event_invoke_configs.get_function_event_invoke_config, enforced("FunctionName", "Qualifier")
    ),
    "DeleteFunctionEventInvokeConfig": Operation(
        event_invoke_configs.delete_function_event_invoke_config, enforced("FunctionName", "Qualifier")
    ),
    "ListFunctionEventInvokeConfigs": Operation(
        event_invoke_configs.list_function_event_invoke_configs, enforced("FunctionName", "Marker", "MaxItems")
    ),
    "CreateFunctionUrlConfig": Operation(
        function_urls.create_function_url_config,
        {**enforced("FunctionName", "Qualifier"), **_URL_SETTINGS},
    ),
    "UpdateFunctionUrlConfig": Operation(
        function_urls.update_function_url_config,
        {**enforced("FunctionName", "Qualifier"), **_URL_SETTINGS},
    ),
    "GetFunctionUrlConfig": Operation(function_urls.get_function_url_config, enforced("FunctionName", "Qualifier")),
    "DeleteFunctionUrlConfig": Operation(
        function_urls.delete_function_url_config, enforced("FunctionName", "Qualifier")
    ),
    "ListFunctionUrlConfigs": Operation(
        function_urls.list_function_url_configs, enforced("FunctionName", "Marker", "MaxItems")
    ),
    "InvokeAsync": Operation(asynchronous.invoke_async, enforced("FunctionName", "InvokeArgs")),
    "TagResource": Operation(tags.tag_resource, enforced("Resource", "Tags")),
    "UntagResource": Operation(tags.untag_resource, enforced("Resource", "TagKeys")),
    "ListTags": Operation(tags.list_tags, enforced("Resource")),
}
ANSWERED_BY_THE_LISTENER: Mapping[str, Rules] = {
    "Invoke": {
        **enforced("FunctionName", "Qualifier", "InvocationType", "LogType", "ClientContext", "Payload", "TenantId"),
        "DurableExecutionName": members.REFUSED,
    },
    "InvokeWithResponseStream": {
        **enforced("FunctionName", "Qualifier", "InvocationType", "LogType", "ClientContext", "Payload", "TenantId"),
    },
}
"""Operations that never come here: the data plane, ``midge.api.invocations``."""
