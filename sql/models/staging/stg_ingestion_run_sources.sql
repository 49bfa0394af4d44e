{{ config(schema=var('staging_schema')) }}

with source as (

    select * from {{ named_in_view(source('statsig_raw', 'ingestion_run_sources')) }}

),

renamed as (

    select
        {{ text('run_id') }} as run_id,
        {{ text('source') }} as source

    from source

)

select * from renamed
