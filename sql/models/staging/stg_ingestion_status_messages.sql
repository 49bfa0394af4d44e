{{ config(schema=var('staging_schema')) }}

{# Where nothing has asked for the ingestion status yet, as in a warehouse of an older release, there are no messages. -#}
{%- set messages = load_relation(source('statsig_raw', 'ingestion_status_messages')) if execute -%}
{%- set texts = ['source_name', 'ingestion_dataset', 'ingestion_source', 'status', 'message', 'error_message'] -%}

with source as (

    {%- if messages %}

    select * from {{ named_in_view(source('statsig_raw', 'ingestion_status_messages')) }}

    {%- else %}

    select
        {%- for name in ['message_hash'] + texts %}
        cast(null as {{ dbt.type_string() }}) as {{ name }},
        {%- endfor %}
        cast(null as date) as date_stamp,
        cast(null as {{ type_double() }}) as row_count,
        cast(null as {{ type_double() }}) as metric_count,
        cast(null as {{ type_instant() }}) as status_at,
        cast(null as {{ type_instant() }}) as first_fetched_at
    from (select 1 as one) as nothing
    where one = 0

    {%- endif %}

),

-- an empty text says nothing, and not every engine's loader tells it from none
renamed as (

    select
        -- ids
        {{ text('source.message_hash') }} as message_hash,
        {{ text("nullif(source.source_name, '')") }} as source_name,
        source.date_stamp,

        -- strings
        {{ text("nullif(source.ingestion_dataset, '')") }} as ingestion_dataset,
        {{ text("nullif(source.ingestion_source, '')") }} as source_type,
        {{ text("nullif(source.status, '')") }} as status,
        {{ text("nullif(source.message, '')") }} as message,
        {{ text("nullif(source.error_message, '')") }} as error_message,

        -- numbers
        cast(source.row_count as {{ type_double() }}) as row_count,
        cast(source.metric_count as {{ type_double() }}) as metric_count,

        -- timestamps
        source.status_at,
        source.first_fetched_at

    from source

)

select * from renamed
